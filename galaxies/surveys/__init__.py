"""What people do with whole surveys: download, check, merge and copy them."""
