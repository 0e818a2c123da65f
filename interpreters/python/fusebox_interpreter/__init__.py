"""What the interpreter of Python is made of, besides the kit: `component.py` puts it together."""
