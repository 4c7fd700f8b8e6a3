//! Copies of logs and archives of them: what is the log again, and what is another file.
