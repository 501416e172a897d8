"""``python -m y90voxel``."""

from y90voxel.cli.main import main

if __name__ == "__main__":
    main()
