"""What bench/network is made of: stores behind a bad line, and programs that reach them."""
