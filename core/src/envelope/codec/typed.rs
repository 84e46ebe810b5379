//! The user's own types, through serde.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Reader, encode, scan};
use crate::envelope::{Limits, Value};
use crate::error::{Error, ErrorKind, Result};

/// Encodes any serializable value; structs become maps by field name. `Invalid` when it has no such form.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T, limits: &Limits) -> Result<Bytes> {
    let bytes = rmp_serde::to_vec_named(value)
        .map_err(|e| Error::invalid(format!("this type cannot be encoded: {e}")).with_source(e))?;
    scan(&bytes, limits).map_err(as_invalid)?;
    Ok(bytes.into())
}

/// Decodes into any deserializable type. `Malformed` when the bytes do not fit it.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<T> {
    scan(bytes, limits)?;
    rmp_serde::from_slice(bytes)
        .map_err(|e| Error::malformed(format!("the body does not fit the type asked for: {e}")).with_source(e))
}

/// A serializable value as a [`Value`].
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value> {
    Reader::new(&to_bytes(value, &Limits::default())?).value()
}

/// A [`Value`] as any deserializable type.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T> {
    let limits = Limits::default();
    from_slice(&encode(value, &limits)?, &limits)
}

/// The same trouble told to somebody who is about to write: the call has to change.
pub(crate) fn as_invalid(error: Error) -> Error {
    if error.kind() != ErrorKind::Malformed {
        return error;
    }
    error.context().iter().fold(Error::invalid(error.message()), |e, (key, value)| e.with_context(key, value))
}
