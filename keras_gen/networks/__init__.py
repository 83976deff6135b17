"""Network bodies that several models share: functional models and their parts."""
