//! A file that is cut, filled with holes, deleted, written anew or moved away.
