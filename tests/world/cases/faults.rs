//! A kernel that refuses: injected errors, exhausted limits, lost notifications, full disks.
