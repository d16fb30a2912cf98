"""Settings: options of the command line that stand in a file or in environment variables."""
