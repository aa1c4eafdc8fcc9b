"""What the front door is compared with, each run as a command of its own on the same machine in the same run."""
