//! What a provider reports of a message it was given.

use serde::{Deserialize, Serialize};

/// What became of a message, as its provider says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Receipt {
    /// The provider took it and goes on with it.
    Accepted,
    /// It is late, and the provider still tries.
    Delayed,
    /// It arrived: at the telephone, or at the recipient's mail server.
    Delivered,
    /// It did not arrive, and will not.
    Undelivered(Fate),
    /// It arrived, and the recipient calls it spam.
    Complained,
}

/// What an undelivered message says of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Nothing gets to this address any more: it does not exist, or whoever has it wants no messages.
    AddressDead,
    /// This message failed; another may arrive.
    MessageFailed,
}

impl Receipt {
    /// Whether no further message should go to the address.
    pub const fn ends_address(self) -> bool {
        matches!(self, Self::Undelivered(Fate::AddressDead) | Self::Complained)
    }
}
