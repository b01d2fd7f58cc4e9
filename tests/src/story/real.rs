//! The tier that takes long or needs root: `house real`.
