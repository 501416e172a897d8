"""A synthetic radioembolization work-up: anatomy, images of it, and the truth they were made from.

It stands alone on purpose (numpy, scipy, contourpy and pydicom only): what y90voxel computes is
compared with the numbers made here, so nothing of y90voxel may be used to make them.
"""
