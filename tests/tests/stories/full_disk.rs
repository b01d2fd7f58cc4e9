//! A disk that is full: what stops goes on working.
