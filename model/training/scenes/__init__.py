"""What pocket sees: descriptions of small scenes, and generators that draw them."""
