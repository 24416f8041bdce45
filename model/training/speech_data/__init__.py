"""Speech and sounds made from code and seeds: what the model hears and how it answers."""
