//! How much a body may hold. Checked before anything is decoded, and again on what is about to be written.

use crate::error::{Error, Result};

/// Size, nesting and number of values that a body may have.
///
/// The walk that checks them needs no stack, so nesting of any depth is refused instead of overflowing it; what has
/// passed is decoded recursively, which is why the depth itself has an upper end ([`Limits::DEEPEST`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_field_names)] // the settings' words
pub struct Limits {
    max_bytes: usize,
    max_depth: usize,
    max_values: usize,
}

impl Limits {
    /// The deepest nesting a setting may allow.
    pub const DEEPEST: usize = 512;
    /// Bytes of a body unless set otherwise: 16 MiB.
    pub const DEFAULT_BYTES: usize = 16 * 1024 * 1024;
    /// Lists and maps inside each other unless set otherwise.
    pub const DEFAULT_DEPTH: usize = 64;
    /// Values of a body unless set otherwise: a byte of input may become forty in memory, so size alone does not
    /// bound what a body costs.
    pub const DEFAULT_VALUES: usize = 1_000_000;

    /// Only what the format itself asks for: for values that have passed the real limits before.
    pub(crate) const WIDEST: Self =
        Self { max_bytes: u32::MAX as usize, max_depth: Self::DEEPEST, max_values: usize::MAX };

    /// Limits of the given size in bytes and nesting in levels (a list in a map are two).
    pub fn new(max_bytes: usize, max_depth: usize) -> Result<Self> {
        if max_bytes == 0 || u32::try_from(max_bytes).is_err() {
            return Err(Error::invalid(format!("max_bytes must be within 1 and 4294967295, not {max_bytes}"))
                .with_context("setting", "max_bytes"));
        }
        if !(1..=Self::DEEPEST).contains(&max_depth) {
            return Err(Error::invalid(format!("max_depth must be within 1 and {}, not {max_depth}", Self::DEEPEST))
                .with_context("setting", "max_depth"));
        }
        Ok(Self { max_bytes, max_depth, max_values: Self::DEFAULT_VALUES })
    }

    /// The same with another bound on the number of values.
    pub fn with_max_values(mut self, max_values: usize) -> Result<Self> {
        if max_values == 0 {
            return Err(Error::invalid("max_values must be at least 1").with_context("setting", "max_values"));
        }
        self.max_values = max_values;
        Ok(self)
    }

    /// Bytes a body may have.
    pub const fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Lists and maps that may stand inside each other.
    pub const fn max_depth(&self) -> usize {
        self.max_depth
    }

    /// Values a body may have, containers counted, keys not.
    pub const fn max_values(&self) -> usize {
        self.max_values
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: Self::DEFAULT_BYTES, max_depth: Self::DEFAULT_DEPTH, max_values: Self::DEFAULT_VALUES }
    }
}
