//! A buyer orders: slots are reserved, and the order has its own key and its own link.

use std::net::IpAddr;
use std::sync::Arc;

use super::deliver::{open_private, seal_private};
use super::open_shop::{Policy, Shop, month_of};
use super::stock;
use super::tickets::{Ticket, Tickets};
use crate::domain::{
    AddressPrefix, AfterSale, ChannelName, Contact, Holder, HostPrefix, Money, Order, OrderId,
    OrderState, Pool, Product, Secret, Slug, seams::random,
};
use crate::limits;
use crate::store::{Fault, Held, HoldKind, OrderPrivate, Rows, Tx, WriteError};
use crate::vault::{Vault, hash_password};

/// What a buyer's form says, parsed. Price and currency are never taken from a form.
pub struct CheckoutRequest {
    /// What.
    pub product: Slug,
    /// How many.
    pub quantity: u32,
    /// Where the buyer is reached.
    pub contact: Contact,
    /// A second way to reach the buyer.
    pub second: Option<Contact>,
    /// To find the order again.
    pub password: Option<Secret>,
    /// Where it will be paid.
    pub channel: ChannelName,
    /// The buyer's address.
    pub address: IpAddr,
    /// Language of the buyer's pages.
    pub language: String,
    /// The rendered form that was sent: sent twice, it makes one order. Without one each request is an order.
    pub ticket: Option<Ticket>,
}

/// Why nothing was ordered.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// No such product, or not for sale.
    #[error("this product is not for sale")]
    Product,
    /// No such channel, or not open.
    #[error("this way to pay is not open")]
    Channel,
    /// Not between one and the limit.
    #[error("a quantity is between 1 and {max}")]
    Quantity {
        /// Most items in one order.
        max: u32,
    },
    /// Not as many left.
    #[error("{available} left")]
    Stock {
        /// That can be ordered now.
        available: u32,
        /// When more may be free again.
        free_again_ms: Option<i64>,
    },
    /// Too many unpaid orders of this contact.
    #[error("{max} unpaid orders at a time for one contact")]
    OpenOfContact {
        /// The limit.
        max: u32,
    },
    /// Too many unpaid orders of this line.
    #[error("{max} unpaid orders at a time from one connection")]
    OpenOfAddress {
        /// The limit.
        max: u32,
    },
    /// This network holds its share.
    #[error("unpaid orders of this network hold its share of the stock: {allowed} more now")]
    HeldShare {
        /// How many it may still hold.
        allowed: u32,
    },
    /// A password longer than anybody types.
    #[error("a password has at most {} bytes", limits::PASSWORD_BYTES_MAX)]
    Password,
    /// Come again in a moment.
    #[error("the shop is busy")]
    Busy,
    /// The shop takes no orders after a disk error.
    #[error("the shop takes no orders at the moment")]
    ReadOnly,
    /// The shop failed.
    #[error(transparent)]
    Fault(Fault),
}

/// With fewer left than this, reservations are shorter.
const SCARCE_BELOW: u32 = 10;
/// Order ids of one millisecond differ in 22 random bits: three tries in a row never all meet another order.
const ID_TRIES: usize = 3;

impl Shop {
    /// Takes an order. Its slots are reserved until it expires. The same form again within ten minutes gives that order, unless
    /// it is over.
    ///
    /// # Errors
    /// [`CheckoutError`]: each says what the buyer can change.
    pub async fn checkout(&self, request: CheckoutRequest) -> Result<Order, CheckoutError> {
        if self.orders_held() {
            return Err(CheckoutError::ReadOnly);
        }
        if request.quantity == 0 || request.quantity > self.policy.order_quantity_max {
            return Err(CheckoutError::Quantity {
                max: self.policy.order_quantity_max,
            });
        }
        let password = match &request.password {
            Some(password) if password.len() > limits::PASSWORD_BYTES_MAX => {
                return Err(CheckoutError::Password);
            }
            Some(password) => Some(self.hash(password.clone()).await?),
            None => None,
        };
        let month = month_of(self.clock.now_ms());
        self.vault
            .prepare_month(&month)
            .map_err(|error| CheckoutError::Fault(Fault::Database(error.to_string())))?;
        let form = request.ticket.map(|ticket| self.form_of(ticket, &request));
        let second = request.second.filter(|second| {
            // The same one twice is one contact.
            second.canonical() != request.contact.canonical()
        });
        let holder = Holder {
            contact: self.contact_fingerprint(&request.contact),
            address: AddressPrefix::of(request.address),
            host: HostPrefix::of(request.address),
        };
        let private = OrderPrivate {
            contact: request.contact.expose().to_owned(),
            second: second.map(|second| second.expose().to_owned()),
            password: password.map(|hash| (hash.salt, hash.hash)),
            language: request.language,
            transactions: Vec::new(),
            note: None,
        };
        let mut draft = Draft {
            product: request.product,
            quantity: request.quantity,
            channel: request.channel,
            holder,
            private,
            month,
            ahead: None,
        };
        // While others commit. A write that finds the number taken seals under another.
        let id = OrderId::at(
            self.clock.now_ms(),
            u32::from_be_bytes(random(self.vault.entropy())),
        );
        let sealed = draft.sealed(&self.vault, id);
        draft.ahead = Some(sealed.map_err(CheckoutError::Fault)?);
        let (vault, policy, tickets) = (
            self.vault.clone(),
            self.policy.clone(),
            self.tickets.clone(),
        );
        let write = self.store.write(move |tx| {
            let Some(form) = form else {
                return draft.place(tx, &vault, &policy);
            };
            if let Some(order) = draft.placed_before(tx, &vault, &tickets, &form)? {
                return Ok(order);
            }
            let order = draft.place(tx, &vault, &policy)?;
            tickets.remember(form, order.id, tx.now_ms());
            Ok(order)
        });
        write.answer().await.map_err(CheckoutError::from)
    }

    /// One name for all that a form said: a changed form is another one, and a page that a careless proxy gave to several visitors
    /// is one form for each of them.
    pub(super) fn form_of(&self, ticket: Ticket, request: &CheckoutRequest) -> [u8; 16] {
        let second = request.second.as_ref().map_or("", Contact::expose);
        let quantity = request.quantity.to_be_bytes();
        let fields = [
            ticket.0.as_slice(),
            request.product.as_str().as_bytes(),
            quantity.as_slice(),
            request.contact.expose().as_bytes(),
            second.as_bytes(),
            request.password.as_ref().map_or(&[], Secret::expose),
            request.channel.as_str().as_bytes(),
        ];
        let mut said = zeroize::Zeroizing::new(Vec::new());
        for field in fields {
            said.extend_from_slice(&(field.len() as u64).to_be_bytes());
            said.extend_from_slice(field);
        }
        self.vault.fingerprint("order form", &said)
    }

    async fn hash(&self, password: Secret) -> Result<crate::vault::PasswordHash, CheckoutError> {
        let turn = self.hashing_turn().await.ok_or(CheckoutError::Busy)?;
        let vault = self.vault.clone();
        let hashed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            hash_password(vault.entropy(), &password)
        });
        hashed
            .await
            .map_err(|_| CheckoutError::Fault(Fault::Invariant("hashing a password does not fail")))
    }
}

/// An order that is not placed yet.
struct Draft {
    product: Slug,
    quantity: u32,
    channel: ChannelName,
    holder: Holder,
    private: OrderPrivate,
    month: String,
    /// What was sealed before the write.
    ahead: Option<Sealed>,
}

/// What of an order lies under its own key, and that key, wrapped.
#[derive(Clone)]
struct Sealed {
    id: OrderId,
    month: String,
    wrapped_key: Vec<u8>,
    private: Vec<u8>,
}

type Refusal = WriteError<CheckoutError>;

impl Draft {
    /// The order that the same form made before, unless it is over. One that a failed batch took back is none, and so
    /// is one of another buyer that got its number since.
    fn placed_before(
        &self,
        tx: &Tx<'_>,
        vault: &Vault,
        tickets: &Tickets,
        form: &[u8; 16],
    ) -> Result<Option<Order>, Refusal> {
        let Some(id) = tickets.order(form, tx.now_ms()) else {
            return Ok(None);
        };
        let alike = |order: &Order| {
            order.product == self.product
                && order.quantity == self.quantity
                && order.channel == self.channel
        };
        let Some(order) = tx.order(id)?.filter(alike) else {
            return Ok(None);
        };
        let same_buyer = match order.state {
            OrderState::Pending => order.holder.contact == self.holder.contact,
            // Paid meanwhile: a form sent again asks nobody to pay twice. Who held the reservation is not kept any more.
            OrderState::Paid | OrderState::Delivered if order.is_erased() => false,
            OrderState::Paid | OrderState::Delivered => {
                open_private(vault, &order)?.0.contact == self.private.contact
            }
            _ => false,
        };
        Ok(Some(order).filter(|_| same_buyer))
    }

    fn sealed(&self, vault: &Vault, id: OrderId) -> Result<Sealed, Fault> {
        let made = vault.new_order_key(&self.month, &id.0.to_be_bytes());
        let (month, key, wrapped_key) = made.map_err(|error| Fault::Database(error.to_string()))?;
        Ok(Sealed {
            id,
            month,
            wrapped_key,
            private: seal_private(vault, id, &key, &self.private),
        })
    }

    fn place(
        &self,
        tx: &mut Tx<'_>,
        vault: &Arc<Vault>,
        policy: &Policy,
    ) -> Result<Order, Refusal> {
        let product = tx
            .product(&self.product)?
            .filter(|product| product.visible && product.price.amount > 0);
        let product = product.ok_or_else(|| refuse(CheckoutError::Product))?;
        let channel = tx.channel(&self.channel)?.filter(|channel| channel.enabled);
        channel.ok_or_else(|| refuse(CheckoutError::Channel))?;
        let mut pool = tx.pool(&self.product)?.ok_or_else(|| {
            refuse(CheckoutError::Stock {
                available: 0,
                free_again_ms: None,
            })
        })?;
        self.check_limits(tx, policy)?;
        self.check_share(tx, policy, &pool)?;
        if pool.available < self.quantity {
            return Err(refuse(CheckoutError::Stock {
                available: pool.available,
                free_again_ms: None,
            }));
        }
        let total = total(&product, self.quantity)?;
        let is_good = |ahead: &&Sealed| vault.is_newest_month_key(&self.month, &ahead.month);
        let sealed = match self.ahead.as_ref().filter(is_good) {
            Some(ahead) if tx.order(ahead.id)?.is_none() => ahead.clone(),
            _ => self.sealed(vault, new_id(tx, vault)?)?,
        };
        let id = sealed.id;
        let slots = stock::take(tx, &mut pool, self.quantity, Held::Reserved(id.0))?;
        let scarce = pool.available < SCARCE_BELOW;
        let ttl_ms = if scarce {
            policy.order_ttl_ms.min(policy.scarce_order_ttl_ms)
        } else {
            policy.order_ttl_ms
        };
        let order = Order {
            id,
            product: product.slug,
            title: product.title,
            quantity: self.quantity,
            total,
            channel: self.channel.clone(),
            state: OrderState::Pending,
            reason: None,
            clear_note: None,
            expires_at_ms: tx.now_ms() + ttl_ms,
            paid_at_ms: None,
            delivered_at_ms: None,
            slots,
            holder: self.holder,
            payments: Vec::new(),
            sale: None,
            after: AfterSale::default(),
            month: sealed.month,
            wrapped_key: sealed.wrapped_key,
            private: sealed.private,
            delivery: Vec::new(),
        };
        tx.put_pool(&pool)?;
        tx.put_order(&order, None)?;
        Ok(order)
    }

    fn check_limits(&self, tx: &Tx<'_>, policy: &Policy) -> Result<(), Refusal> {
        let open = |kind, holder: &[u8], max: u32| -> Result<bool, Fault> {
            Ok(max > 0 && tx.holds(kind, holder, max as usize)?.len() >= max as usize)
        };
        let max = policy.open_orders_per_contact;
        if open(HoldKind::Contact, &self.holder.contact, max)? {
            return Err(refuse(CheckoutError::OpenOfContact { max }));
        }
        let max = policy.open_orders_per_address;
        if open(HoldKind::Address, &self.holder.address.0, max)? {
            return Err(refuse(CheckoutError::OpenOfAddress { max }));
        }
        Ok(())
    }

    /// One network holds at most its share of the stock unpaid, but always one.
    fn check_share(&self, tx: &Tx<'_>, policy: &Policy, pool: &Pool) -> Result<(), Refusal> {
        if policy.held_share_percent == 0 {
            return Ok(());
        }
        let stock = u64::from(pool.available) + u64::from(pool.reserved);
        let share = (stock * u64::from(policy.held_share_percent) / 100).max(1);
        let held = u64::from(stock::held_by_host(
            tx,
            &Tx::host_key(self.holder.host.0, &self.product),
        )?);
        if held + u64::from(self.quantity) > share && pool.available > 0 {
            let allowed = u32::try_from(share.saturating_sub(held)).unwrap_or(u32::MAX);
            return Err(refuse(CheckoutError::HeldShare { allowed }));
        }
        Ok(())
    }
}

fn total(product: &Product, quantity: u32) -> Result<Money, Refusal> {
    let amount = product
        .price
        .amount
        .checked_mul(i64::from(quantity))
        .filter(|amount| *amount <= limits::AMOUNT_MAX);
    let amount = amount.ok_or_else(|| refuse(CheckoutError::Quantity { max: 1 }))?;
    Ok(Money {
        amount,
        ..product.price
    })
}

fn new_id(tx: &Tx<'_>, vault: &Vault) -> Result<OrderId, Fault> {
    for _ in 0..ID_TRIES {
        let id = OrderId::at(tx.now_ms(), u32::from_be_bytes(random(vault.entropy())));
        if tx.order(id)?.is_none() {
            return Ok(id);
        }
    }
    Err(Fault::Invariant("order ids are random"))
}

fn refuse(error: CheckoutError) -> Refusal {
    WriteError::Refused(error)
}

impl From<Refusal> for CheckoutError {
    fn from(error: Refusal) -> Self {
        match error {
            WriteError::Refused(refusal) => refusal,
            WriteError::Busy => Self::Busy,
            WriteError::ReadOnly => Self::ReadOnly,
            WriteError::Fault(fault) => Self::Fault(fault),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::TestShop;

    fn draft(till: &TestShop, id: OrderId) -> Draft {
        let request = till.request("steam", 1, 1);
        let mut draft = Draft {
            product: request.product,
            quantity: 1,
            channel: request.channel,
            holder: Holder {
                contact: [1; 16],
                address: AddressPrefix::of(request.address),
                host: HostPrefix::of(request.address),
            },
            private: OrderPrivate {
                contact: "buyer@example.com".into(),
                ..OrderPrivate::erased()
            },
            month: month_of(till.shop.now_ms()),
            ahead: None,
        };
        draft.ahead = Some(draft.sealed(&till.shop.vault, id).unwrap());
        draft
    }

    async fn placed(till: &TestShop, draft: Draft) -> Order {
        let (vault, policy) = (till.shop.vault.clone(), till.shop.policy.clone());
        let write = till
            .shop
            .store
            .write(move |tx| draft.place(tx, &vault, &policy));
        write.answer().await.unwrap()
    }

    #[tokio::test]
    async fn an_order_sealed_under_a_month_key_that_was_replaced_before_its_write_is_sealed_anew() {
        let till = TestShop::new();
        till.stock("steam", "KEY", 3);
        let [id, next] = [1, 2].map(|bits| OrderId::at(till.shop.now_ms(), bits));
        let (early, late) = (draft(&till, id), draft(&till, next));
        let order = placed(&till, early).await;
        assert_eq!(order.id, id);
        let (old, replaced) = (
            order.month.clone(),
            till.shop.vault.replace_month_key(&order.month),
        );
        let order = placed(&till, late).await;
        assert_eq!(order.month, replaced.unwrap());
        till.shop.vault.forget_month_key(&old).unwrap();
        let (private, _) = open_private(&till.shop.vault, &order).unwrap();
        assert_eq!(private.contact, "buyer@example.com");
    }

    #[tokio::test]
    async fn an_order_whose_number_was_taken_before_its_write_gets_another() {
        let till = TestShop::new();
        till.stock("steam", "KEY", 3);
        let id = OrderId::at(till.shop.now_ms(), 1);
        let first = placed(&till, draft(&till, id)).await;
        let second = placed(&till, draft(&till, id)).await;
        assert_eq!(first.id, id);
        assert_ne!(second.id, id);
        for order in [first, second] {
            assert!(open_private(&till.shop.vault, &order).is_ok());
        }
    }
}
