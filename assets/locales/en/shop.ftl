# The name of this language, shown in the switch
language-name = English

# Amounts
money = { $currency } { $amount }

# On every page
skip = Skip to content
nav-label = Navigation
nav-find = Find an order
nav-verify = Verify a receipt
notice-label = Notice from the shop
support = Support:
terms = Terms
zone-line = Times in { $zone }
zone-line-china = Times in China (UTC+8)
banner-demo = Demo shop: goods and payments are not real. Nothing is charged.
banner-test = Test mode: payments are not real and no real goods are handed out.

# The window
window-heading = All products
window-empty = Nothing is on sale right now. Please come back later.
window-found = Search: { $query }
search-label = Search products
search-submit = Search
search-empty = Nothing was found. Try a shorter word, or another spelling.
search-back = Show all products
categories-label = Categories
category-all = All
category-empty = Nothing is on sale in this category right now.
stock-plenty = In stock
stock-last = { $count ->
    [one] Last one
   *[other] Last { $count }
}
stock-reserved = The rest is reserved
stock-sold-out = Sold out
stock-held-heading = All that is left is reserved
stock-free-again-in = Free again at the earliest in
stock-free-again-now = Should be free again any moment. Please reload this page.
stock-free-again-hint = Others have ordered it and not paid yet. If they do not pay, it can be bought again.
stock-sold-out-heading = Sold out
stock-no-date = When it comes back is not known yet.
delivery-instant = Delivered automatically, within seconds of payment
delivery-measured = { $count ->
    [one] Delivered automatically, within { $time } of payment in the last sale
   *[other] Delivered automatically, typically within { $time } of payment (last { $count } sales)
}
delivery-by-hand = Delivered by hand after payment
delivery-word-instant = Delivered at once
delivery-word-measured = Typically within { $time }
delivery-word-by-hand = Delivered by hand

duration-seconds = { $count ->
    [one] 1 second
   *[other] { $count } seconds
}
duration-minutes = { $count ->
    [one] 1 minute
   *[other] { $count } minutes
}
duration-hours = { $count ->
    [one] 1 hour
   *[other] { $count } hours
}
duration-days = { $count ->
    [one] 1 day
   *[other] { $count } days
}

# A product
product-about = About this product
scope = For:
questions-heading = Questions and answers
questions-jump = Questions before you buy?
ask-heading = Still a question?
ask-support = Ask the shop:
other-products = See other products
no-channel = The shop cannot take payments right now. Please come back later.
form-heading = Order
field-quantity = Quantity
field-quantity-most = { $max ->
    [one] One order takes one at the moment.
   *[other] One order takes { $max } at most at the moment.
}
field-contact = Mail address or phone number
field-contact-hint = The shop reaches you there if something is wrong with the order.
field-contact-mailed = A mail address gets the order's link and receipt.
field-mail = Mail address
second-summary = Also tell me at another address
field-second = Second mail address or phone number (optional)
field-second-hint = In case the first one cannot be reached.
field-password = Password to find the order again (optional)
field-password-hint = With it and the order number you can find your order again. Do not use a password of another site.
field-channel = Pay with
form-total = Total
form-submit = Place order
form-hold = { $minutes ->
    [one] Reserved for you for one minute. An unpaid order ends by itself and costs nothing.
   *[other] Reserved for you for { $minutes } minutes. An unpaid order ends by itself and costs nothing.
}

# A wish to be told
wish-heading = Tell me when it is back
wish-hint = One mail when it can be bought again, and nothing else. It reserves nothing.
wish-submit = Tell me
wish-taken = Noted. You get one mail when it can be bought again.

# Why an order was refused
errors-heading = The order was not placed yet
error-contact-empty = Please enter a mail address or a phone number.
error-contact-form = This is neither a mail address nor a phone number. Please check it, for example name@example.com.
error-second-form = The second contact must be another mail address or phone number. Please check it or leave it empty.
error-mail-needed = Please enter a mail address, for example name@example.com.
error-wishes-full = Too many are waiting for this product already. Please look in again later.
error-quantity-form = Please enter a whole number from 1.
error-quantity-too-many = { $max ->
    [one] One order takes one at most. Please order one.
   *[other] One order takes { $max } at most. Please order fewer.
}
error-stock-left = { $left ->
    [one] Only one is left. Please order one.
   *[other] Only { $left } are left. Please order fewer.
}
error-sold-out = It has just sold out. Please come back later or choose another product.
error-channel = Please choose how to pay.
error-password-long = The password is too long: { $max } bytes at most. Please shorten it.
error-password-again = Please type the password again: it is never sent back.
error-open-contact = { $max ->
    [one] This contact already has an unpaid order. Please pay it first, or wait until it ends.
   *[other] This contact already has { $max } unpaid orders. Please pay them first, or wait until they end.
}
error-open-address = { $max ->
    [one] Your network already has an unpaid order. Please pay it first, or wait until it ends.
   *[other] Your network already has { $max } unpaid orders. Please pay them first, or wait until they end.
}
error-held = Unpaid orders hold the rest of the stock. Please try again later or order fewer.
error-held-until = Unpaid orders hold the rest of the stock; some may be free again at { $time }. Please try again then or order fewer.
error-network-full = Unpaid orders of your network have reached their limit. Please pay them first, or try again later.
error-network-share = { $max ->
    [one] Unpaid orders of your network may hold one more at the moment. Please order one.
   *[other] Unpaid orders of your network may hold { $max } more at the moment. Please order fewer.
}
error-wish-busy = The shop is busy. Please try again in a few seconds.
error-busy = Many people are ordering. Please submit again in a few seconds; what you typed is kept.

# An order: where it stands
order-title = Order { $number }
state-pending = Waiting for payment
state-short = Too little arrived
state-parts = Paid in parts
state-paid = Paid, being delivered
state-queue = Paid, being restocked
state-review = Paid, being reviewed
state-checking = Checking the payment
state-delivered = Delivered
state-expired = This order has ended
state-refunding = Refund under way
state-refunded = Refunded
state-cancelled = Cancelled

# An order: what happens next
next-pending = Your goods appear on this page by themselves once the payment arrives. Please do not pay twice.
next-pending-closed = This way to pay is closed for the moment. Please reload this page later or contact support.
next-short = Goods are handed out for the full amount only. Please contact support with the order number about the rest; if it stays unpaid, what arrived is listed for refund when the order ends.
next-parts = The payment arrived in parts, so a person hands out the goods. Please contact support with the order number and do not pay again.
next-paid = The payment has arrived. Your goods appear here in a moment.
next-queue = The payment has arrived, but the stock has just run out. You get your goods in the order of payment as soon as they are restocked, or ask support for a refund.
next-queue-place = The payment has arrived, but the stock has just run out. You are number { $place } in the queue and get your goods as soon as they are restocked, or ask support for a refund.
next-review = The payment has arrived. For safety a person confirms this order before delivery. Please keep an eye on this page.
next-checking = The payment notice and the provider's own answer differ, so the payment is being checked. This page then updates by itself; please do not pay twice.
next-delivered = Please use your goods soon and keep what is below.
next-erased = The order stands in the ledger, and its entry can still be verified. A receipt that you downloaded before stays valid.
next-expired = No payment arrived in time and nothing was charged. If you did pay, stay on this page: the payment is recognised when it arrives.
next-expired-short = The full amount did not arrive in time, so nothing was delivered. What arrived is shown below.
next-refunding = { $amount } is being returned to you, as a rule the way it was paid. How long it takes depends on the provider.
next-refunded = { $amount } was returned. If you do not see it yet, look at the provider's statement first, then contact support with the order number.
next-cancelled = The shop has cancelled this order; please do not pay for it any more. If you paid, this page says what is returned. Support answers questions about it.

# An order: what is special
remark-late = This payment arrived late, after the order had ended; it counts all the same.
remark-by-hand = The shop handled this order by hand.
remark-given = The shop gave you these goods by hand; no payment for them is on record beyond what is shown here.
remark-no-stock = There was not enough stock to deliver.
remark-over = You paid { $amount } too much; it waits to be returned.
remark-second = A second payment arrived; { $amount } waits to be returned.
remark-returned = What was paid too much was returned.
remark-short = { $amount } arrived and waits to be returned.
remark-owed = Another { $amount } arrived and waits to be returned.
remark-back = { $amount } was returned already.
remark-replaced = { $count ->
    [one] One key was found bad and replaced, last on { $time }. The key shown here is the new one.
   *[other] { $count } keys were found bad and replaced, last on { $time }. The keys shown here are the new ones.
}
remark-erased = The personal part of this order was erased on { $time }: contact, payment reference and keys are no longer here.

# An order: its parts
reload-hint = Your browser runs no scripts, so this page does not update by itself.
reload = Look again
steps-label = Progress
step-ordered = Ordered
step-paid = Paid
step-delivered = Delivered
order-note = The shop says:
order-instructions = How to use it
order-again = Order again
pay-heading = To be paid
pay-before = Please pay before
pay-left = time left:
pay-button = Pay with { $channel }
pay-qr = QR code to pay with { $channel }
pay-scan = Scan with the app of { $channel }
pay-same-phone = On this phone? Use the button.
pay-after = Come back to this page after paying. If you close it, the link below opens it again at any time.
keys-heading = { $count ->
    [one] Your key
   *[other] Your { $count } keys
}
keys-download = { $count ->
    [one] Download the key
   *[other] Download all { $count } keys
}
keys-until = The keys can be read here until
keys-gone = The time for which keys are kept is over, so they are no longer shown. Please contact support if you need help.
copy = Copy
copied = Copied
copy-by-hand = Selected: please copy
receipt-heading = Receipt
receipt-proves = It proves that this sale is in the shop's ledger, and whoever kept a receipt or a checkpoint notices if the ledger is changed or shortened. The file contains your keys and your contact: show it to nobody before the keys are used.
receipt-position = Position in the ledger
receipt-hash = Hash
receipt-download = Download the receipt
receipt-check = Verify it yourself
receipt-state = Checked
receipt-verified = Verified
receipt-verified-means = Before showing it, this shop's own verifier checked the receipt as you can: the sale is in the signed ledger, and each key from stock is the one that was entered. That is the shop's word; your own check does not need it.
receipt-print = Print view
receipt-other-device = Open the receipt on another device
receipt-qr = QR code of the receipt's link
slip-heading = Receipt for order { $number }
slip-lead = This sheet names a sale in the shop's signed ledger. The file behind the QR code proves it.
slip-delivered = Handed out
slip-vkey = Ledger key of the shop
slip-file = The receipt's file
slip-private = Whoever has this link can open the receipt: keep the sheet to yourself. The file contains your keys and your contact: show it to nobody before the keys are used.
slip-how = To verify: open the file at { $address }, or with the tool keystall-verify, and compare the key with another source than this shop.
slip-back = Back to the order
details-heading = Details
detail-number = Order number
detail-product = Product
detail-scope = For
detail-total = Order total
detail-received = Received
detail-missing = Missing
detail-channel = Pay with
detail-contact = Contact
detail-created = Ordered
detail-paid = Paid
detail-delivered = Delivered
keep-heading = Keep this link
keep-hint = It opens your order at any time, and your keys for as long as they are kept. Anyone who has it can see them, so do not pass it on.
keep-mailed = Mails about this order, with this link, go to { $contact }.
keep-other-device = Open on another device
keep-qr = QR code of this order's link
messages-heading = Messages sent to you
messages-hint = Nothing arrived? Please look in the spam folder too; everything they say is on this page.
message-delivered = Mail: your order was delivered
message-reminder = Mail: a reminder that your order is ready
message-queued = Mail: payment received
message-refund = Mail: about your refund
message-replaced = Mail: new keys for your order
help-heading = Help with this order
help-contact = The shop:
help-mailed = Number, product and state of the order are filled in.
help-note = Please send this along:
help-never-link = Support needs the order number, never the secret link of this page.
help-mail-subject = Order { $number }
help-mail-body = What is wrong?

# Finding an order
find-heading = Find an order
find-by-number = With number and password
find-hint = Enter the order number and the password that you chose when ordering.
find-order = Order number
find-password = Password
find-submit = Find
find-failed = No order was found: the order number or the password is wrong. Please check both and try again.
find-by-mail = By mail
find-by-mail-hint = Enter the mail address that you ordered with. A link to all its orders is mailed there.
find-by-mail-submit = Send me a link
find-sent-heading = Please look at your mails
find-sent = If there are orders for this address, a mail with a link is on its way. It can take a few minutes; look in the spam folder too.
find-back = Back to the search
find-lost-one = No password? Use the order's link that you kept, or contact support.
find-lost = Nothing fits? Use the order's link that you kept, or contact support.

# The inbox
inbox-heading = Your orders
inbox-empty = There are no orders for this contact.
inbox-unread = Not opened
inbox-more = Older orders
inbox-until = This page can be opened until
inbox-private = — anyone who has its link can see these orders, so do not pass it on.

# Problems
problem-home = To the shop
problem-status = Status { $status }
problem-not-found = This page does not exist
problem-not-found-next = Please check that the link is complete: an order's link must be copied to its end. You can also look the order up.
problem-erased = The private part of this order was erased
problem-erased-next = A new receipt cannot be made. A receipt that you downloaded before still verifies, with keystall-verify or on the page “Verify”.
problem-foreign-origin = This request came from another site
problem-foreign-origin-next = For your safety nothing was done. Please fill in the form on this shop's own page.
problem-unencrypted = This connection is not encrypted
problem-unencrypted-next = For your safety nothing was done. Please open the shop with an address that begins with https:// and fill in the form there.
problem-unknown-proxy = This shop does not know the proxy in front of it
problem-unknown-proxy-next = Nothing was done. If this is your shop: name the proxy in [listen] trusted_proxies of its settings, the log says which, and start the shop again. If it is not, please tell the shop.
problem-method = This request is not possible
problem-method-next = Please start again from the shop's first page.
problem-too-large = That was too much
problem-too-large-next = Please go back, shorten what you entered and send it again.
problem-unreadable = The form could not be read
problem-unreadable-next = Please go back to the product's page and fill in its form again.
problem-too-many = Too many requests
problem-too-many-next = Please wait a minute and try again. Orders that are paid are not affected.
problem-internal = Something went wrong here
problem-internal-next = Please try again later. If you have paid, the payment is on record: open your order's link and do not pay twice.
problem-busy = The shop is busy
problem-busy-next = Please try again in a few seconds. Orders that are paid are not affected.
problem-read-only = No orders at the moment
problem-read-only-next = The shop is being looked after and will be back. If you have paid, the order continues by itself then; please do not pay twice.
problem-provider-down = The payment provider cannot be reached
problem-provider-down-next = Nothing was charged. Please return to your order in a while and pay then, or order again with another way to pay.
problem-link-old = This link is over
problem-link-old-next = For your safety a mailed link opens only for a while. Please ask for a new one.
problem-ask-link = Ask for a new link

# Verifying
verify-heading = Verify a receipt or the ledger
verify-lead = Every sale is written into a ledger whose changes are noticed by anyone who kept a receipt or a checkpoint. Check your receipt, or the whole ledger, here in your browser: nothing is sent, and this shop need not be trusted for it.
verify-no-script = The check in this page needs JavaScript. Without it, use the tool keystall-verify, described below: it comes with Keystall and uses no network.
verify-save-heading = Keep the verifier
verify-save-hint = This page comes from the shop that you check. Save the verifier as a file instead: it works without a network, the same for every shop that uses Keystall, and you can pass it on.
verify-save = Save the verifier ({ $size } KiB)
verify-save-hash = Its SHA-256, to compare it with copies from elsewhere:
verify-tool-heading = With the command line tool
verify-step-receipt = Download the receipt on your order's page.
verify-step-tool = Get the tool keystall-verify. It comes with Keystall and uses no network.
verify-step-run = Run it, with your receipt as FILE:
verify-exit = Exit code 0: every check passed. 1: something was changed. 3: the file is malformed. 4: the evidence is incomplete. 5: two histories were signed.
verify-vkey = The ledger key of this shop
verify-vkey-hint = Note it when you buy, or compare it with another source than this shop: it should not change.
verify-later = Keys that came after it
verify-later-hint = Within the ledger the key above vouches for these. A receipt does not hold that proof: to check one, give the key above and the one that signed when you got it.
verify-since = { $generation ->
    [0] From entry { $entry } on
   *[other] From entry { $entry } on, in generation { $generation }
}
verify-checkpoint = Latest signed checkpoint
verify-checkpoint-hint = With a checkpoint the shop signs its whole ledger. Keep one, and you can later prove that nothing was rewritten.
