"""What the treating team knows and what guidelines print: the patient, liver function, limits and goals."""
