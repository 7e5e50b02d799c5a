"""Many tasks at once: what is to be done, who does it, and how it is written down so that nothing is lost."""
