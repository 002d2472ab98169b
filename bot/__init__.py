"""The shell: command line, settings, wiring, gateway process, launcher, console and demo."""
