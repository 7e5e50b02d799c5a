"""What models have in common and what not: how their tokenizers cut text."""
