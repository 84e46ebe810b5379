//! Calls that a gateway answers itself, in place of its adapters.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::rpc::Handler;

/// What answers calls of one name.
pub(super) struct Method {
    pub(super) name: String,
    pub(super) handler: Arc<dyn Handler>,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// All of them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Methods(Arc<HashMap<String, Arc<dyn Handler>>>);

impl Methods {
    pub(super) fn of(methods: &[Method]) -> Self {
        Self(Arc::new(methods.iter().map(|method| (method.name.clone(), method.handler.clone())).collect()))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<dyn Handler>> {
        self.0.get(name)
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
