"""Named regions, their roles, and how they land on the dose grid."""
