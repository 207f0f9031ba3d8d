//! Why a command was refused.

use serde::{Deserialize, Serialize};

use crate::{
    actions::{CategoryError, ChannelError, HandError, PictureError, ProductError, QuestionsError},
    domain::{OrderState, names::NameError},
    store::Fault,
};

/// A refusal: a stable code for scripts, and a message that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// Lower-case words joined by `_`.
    pub code: String,
    /// For people; never holds a secret.
    pub message: String,
}

impl CommandError {
    /// A refusal.
    pub fn new(code: &str, message: impl ToString) -> Self {
        Self {
            code: code.to_owned(),
            message: message.to_string(),
        }
    }

    /// A value of the command that cannot be.
    pub fn invalid(message: impl ToString) -> Self {
        Self::new("invalid", message)
    }

    /// Something named that is not there.
    pub fn unknown(message: impl ToString) -> Self {
        Self::new("unknown", message)
    }
}

/// A name as it was typed at `option`, so that a refusal says which of the command's words it is about.
pub(super) fn typed<T>(
    option: &str,
    text: &str,
    parsed: Result<T, NameError>,
) -> Result<T, CommandError> {
    parsed.map_err(|error| CommandError::invalid(format!("{option} {text:?}: {error}")))
}

impl From<Fault> for CommandError {
    fn from(fault: Fault) -> Self {
        Self::new("fault", fault)
    }
}

impl From<NameError> for CommandError {
    fn from(error: NameError) -> Self {
        Self::invalid(error)
    }
}

impl From<ProductError> for CommandError {
    fn from(error: ProductError) -> Self {
        let code = match &error {
            ProductError::Exists(_) => "exists",
            ProductError::Unknown(_) => "unknown",
            ProductError::Store(_) => "store",
            ProductError::TooMany => "limit",
            ProductError::Price
            | ProductError::Currency
            | ProductError::Title
            | ProductError::Text
            | ProductError::Instructions
            | ProductError::Scope
            | ProductError::Support
            | ProductError::Position => "invalid",
            ProductError::Category(_) => "unknown",
        };
        Self::new(code, error)
    }
}

impl From<CategoryError> for CommandError {
    fn from(error: CategoryError) -> Self {
        let code = match &error {
            CategoryError::Exists(_) => "exists",
            CategoryError::Unknown(_) => "unknown",
            CategoryError::InUse { .. } => "in_use",
            CategoryError::TooMany => "limit",
            CategoryError::Title | CategoryError::Position => "invalid",
            CategoryError::Store(_) => "store",
        };
        Self::new(code, error)
    }
}

impl From<PictureError> for CommandError {
    fn from(error: PictureError) -> Self {
        Self::new("picture", error)
    }
}

impl From<QuestionsError> for CommandError {
    fn from(error: QuestionsError) -> Self {
        Self::invalid(format!("the questions, {error}"))
    }
}

impl From<ChannelError> for CommandError {
    fn from(error: ChannelError) -> Self {
        let code = match &error {
            ChannelError::Exists(_) => "exists",
            ChannelError::Unknown(_) => "unknown",
            ChannelError::InUse(_) => "in_use",
            ChannelError::Store(_) => "store",
        };
        Self::new(code, error)
    }
}

impl From<HandError> for CommandError {
    fn from(error: HandError) -> Self {
        let code = match &error {
            HandError::Unknown(_) => "unknown",
            HandError::State { .. } | HandError::PaidShort { .. } => "state",
            HandError::Stock | HandError::Replacement { .. } => "no_stock",
            HandError::NotSold | HandError::Ended | HandError::Erased => "state",
            HandError::AllRefunded => "nothing_owed",
            HandError::Slot(_) => "unknown",
            HandError::Amount(_) | HandError::Why(_) | HandError::Slots | HandError::Waits(_) => {
                "invalid"
            }
            HandError::NothingOwed => "nothing_owed",
            HandError::Note => "invalid",
            HandError::Store(_) => "store",
        };
        let next = match &error {
            HandError::Unknown(_) => ": `keystall order list` shows them",
            HandError::State {
                state: OrderState::Delivered,
                ..
            } => {
                "; what was delivered stays delivered: `keystall order show` shows its payment, to be returned at the provider if need be"
            }
            HandError::State { .. } => "; `keystall order show` shows where it stands",
            HandError::Stock | HandError::Replacement { .. } => ": `keystall key import`",
            HandError::Slot(_) => ": `keystall order show` shows its keys' places",
            HandError::AllRefunded => ": `keystall order show` shows the refunds",
            HandError::NothingOwed => {
                ": `keystall order list --owed` shows those that money waits for; `keystall order cancel` withdraws a paid order first; money of a delivered order is returned with --why, and --amount for a part of it"
            }
            _ => "",
        };
        Self::new(code, format!("{error}{next}"))
    }
}
