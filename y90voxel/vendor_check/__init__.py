"""An independent second opinion on a dose that another program computed, with the explanation of the difference."""
