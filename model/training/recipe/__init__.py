"""How pocket is made: which sentences, clips and calls its stages learn from."""
