//! What files are called, and one file under several names.
