"""Arrays that know where they lie and what they measure."""
