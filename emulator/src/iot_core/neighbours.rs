//! [`Neighbours`]: how an account finds another one of the same emulator and Region.
//!
//! It hands out whole `IotCore`s. Whoever asks one for something holds no lock of his own.

use std::fmt;

use super::IotCore;
use crate::errors::{ApiError, ErrorCode};
use crate::names::{AccountId, Scope};

type Find = dyn Fn(&Scope) -> Option<IotCore> + Send + Sync;

/// Finds the `IotCore` of an account in a Region, while the emulator is there.
pub(crate) struct Neighbours(Box<Find>);

impl Neighbours {
    pub(crate) fn new(find: impl Fn(&Scope) -> Option<IotCore> + Send + Sync + 'static) -> Self {
        Self(Box::new(find))
    }
}

impl fmt::Debug for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Neighbours")
    }
}

impl IotCore {
    /// The `IotCore` of `account` in this Region; it comes to be when it is first asked for.
    pub(super) fn neighbour(&self, account: &AccountId) -> Result<Self, ApiError> {
        let scope = Scope::new(account.clone(), self.scope().region.clone());
        let found = (self.shared.around.neighbours.0)(&scope);
        found.ok_or_else(|| {
            let message = "the emulator has stopped";
            ApiError::new(ErrorCode::ServiceUnavailableException, message)
        })
    }
}
