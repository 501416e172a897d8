"""Time-integrated activity to absorbed dose: engines with one signature."""
