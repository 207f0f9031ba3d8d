//! What can happen to a shop, as plain values: a script of them runs against the real shop and against a model of it.

use crate::testing::Dice;

/// One thing that happens. Numbers name orders, products and keys by their place among those that there are, counted around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A buyer orders.
    Order { product: u8, quantity: u8 },
    /// A notice of a new transaction arrives.
    Pay { order: u8, how: How },
    /// The provider sends the last notice of the order again.
    PayAgain { order: u8 },
    /// A known transaction arrives under the number of another order.
    PayConflict { order: u8, other: u8 },
    /// The clock is turned by minutes.
    Turn { minutes: u16 },
    /// Reservations that are over end.
    Expire,
    /// Paid orders that wait for goods are looked at.
    DeliverWaiting,
    /// The merchant hands an order out, having seen its money.
    Deliver { order: u8 },
    /// The merchant gives an order away.
    Give { order: u8 },
    /// The merchant withdraws an order.
    Cancel { order: u8 },
    /// The merchant sent back what waited.
    Return { order: u8 },
    /// Money of a sale goes back: a part of ten, or all.
    Refund { order: u8, tenths: u8 },
    /// A bad key of an order is replaced.
    Replace { order: u8 },
    /// Keys are imported.
    Import { product: u8, keys: u16 },
    /// A file of which all keys are known.
    ImportAgain { product: u8 },
    /// An unsold key is withdrawn.
    Void { product: u8, key: u8 },
    /// An order's private fields are destroyed.
    Erase { order: u8 },
    /// The month keys of erased orders are replaced.
    ReplaceMonthKeys,
    /// The outbox is emptied as far as the other side lets it.
    Send { fate: Fate },
    /// The merchant has all promises tried again.
    Retry,
    /// An auditor has a nonce written.
    Audit,
    /// The ledger shows that the shop is alive, where that is due.
    Heartbeat,
    /// Something that auditors care about is written down.
    NoteAdmin,
    /// A price changes.
    Price { product: u8, amount: u16 },
    /// A product is taken from the window, or put back.
    Show { product: u8, visible: bool },
    /// The next month's key is made.
    PrepareMonth,
    /// The log gets a new key.
    RotateLogKey,
    /// The root key is replaced.
    ReplaceRootKey,
    /// The key of a product's pool is replaced.
    ReplacePoolKey { product: u8 },
    /// What new keys are to seal again goes a piece on.
    GoOnWithKeys,
    /// Notices of several orders arrive at once, one of them twice: they share a commit.
    Rush { order: u8 },
    /// The high-water file catches up.
    KeepHighwater,
    /// The shop is closed and opened again.
    Restart,
}

/// What a notice says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Exact,
    Short,
    Over,
    WrongCurrency,
    /// The provider, asked, does not confirm it.
    Disputed,
}

/// What the other side of the outbox does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Takes,
    Fails,
    Refuses,
}

/// What a script is about: how often each command comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// A shop's days.
    Trade,
    /// Erasure, and the replacement of month keys.
    Erasure,
    /// Imports of many keys.
    Import,
    /// Replacement of the root key and of pools' keys.
    Rotation,
}

impl Command {
    /// The next command of a script.
    pub fn roll(dice: &mut Dice, theme: Theme) -> Self {
        let roll = dice.below(100);
        match theme {
            Theme::Erasure if roll < 20 => {
                return Self::Erase {
                    order: number(dice),
                };
            }
            Theme::Erasure if roll < 35 => return Self::ReplaceMonthKeys,
            Theme::Import if roll < 15 => {
                let keys = [900, 1_000, 1_001, 2_100][dice.below(4)];
                return Self::Import {
                    product: number(dice),
                    keys,
                };
            }
            Theme::Rotation if roll < 8 => return Self::ReplaceRootKey,
            Theme::Rotation if roll < 20 => {
                return Self::ReplacePoolKey {
                    product: number(dice),
                };
            }
            Theme::Rotation if roll < 45 => return Self::GoOnWithKeys,
            _ => {}
        }
        Self::trade(dice)
    }

    fn trade(dice: &mut Dice) -> Self {
        let (order, other, product) = (number(dice), number(dice), number(dice));
        match dice.below(212) {
            0..40 => Self::Order {
                product,
                quantity: [1, 1, 1, 2, 3][dice.below(5)],
            },
            40..80 => Self::Pay {
                order,
                how: How::Exact,
            },
            80..86 => Self::Pay {
                order,
                how: How::Short,
            },
            86..90 => Self::Pay {
                order,
                how: How::Over,
            },
            90..92 => Self::Pay {
                order,
                how: How::WrongCurrency,
            },
            92..94 => Self::Pay {
                order,
                how: How::Disputed,
            },
            94..102 => Self::PayAgain { order },
            102..105 => Self::PayConflict { order, other },
            105..120 => Self::Turn {
                minutes: [1, 5, 12, 31, 60, 1_500][dice.below(6)],
            },
            120..121 => Self::Turn { minutes: 15_000 },
            121..129 => Self::Expire,
            129..134 => Self::DeliverWaiting,
            134..138 => Self::Deliver { order },
            138..140 => Self::Give { order },
            140..144 => Self::Cancel { order },
            144..149 => Self::Return { order },
            149..153 => Self::Refund {
                order,
                tenths: dice.below(11) as u8,
            },
            153..157 => Self::Replace { order },
            157..163 => Self::Import {
                product,
                keys: 1 + dice.below(6) as u16,
            },
            163..164 => Self::ImportAgain { product },
            164..167 => Self::Void {
                product,
                key: number(dice),
            },
            167..172 => Self::Erase { order },
            172..174 => Self::ReplaceMonthKeys,
            174..182 => Self::Send {
                fate: [Fate::Takes, Fate::Takes, Fate::Fails, Fate::Refuses][dice.below(4)],
            },
            182..183 => Self::Retry,
            183..186 => Self::Audit,
            186..188 => Self::Heartbeat,
            188..190 => Self::NoteAdmin,
            190..191 => Self::Price {
                product,
                amount: 100 + dice.below(3_000) as u16,
            },
            191..193 => Self::Show {
                product,
                visible: dice.percent(70),
            },
            193..194 => Self::PrepareMonth,
            194..195 => Self::RotateLogKey,
            195..198 => Self::KeepHighwater,
            198..200 => Self::Restart,
            200..206 => Self::Rush { order },
            206..207 => Self::ReplaceRootKey,
            207..209 => Self::ReplacePoolKey { product },
            _ => Self::GoOnWithKeys,
        }
    }
}

fn number(dice: &mut Dice) -> u8 {
    dice.roll() as u8
}
