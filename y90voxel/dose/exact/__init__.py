"""Monte Carlo of the difference to a uniform medium, whose dose is a convolution."""
