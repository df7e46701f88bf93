"""What people can do about themselves. One file per subject."""
