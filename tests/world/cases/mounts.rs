//! Other file systems and other sorts of files: tmpfs, overlay, bind mounts, /proc, inode numbers that come again.
