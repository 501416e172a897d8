"""What people read: figures, the HTML page and the PDF of a calculation."""
