# Words around and inside mails.
mail-open = Open
mail-foot-buyer = You get this mail because this address was given at { $shop }. If that was not you, nothing needs to be done.
mail-foot-merchant = From your shop { $shop }. Change these texts with: keystall notify template

# Why an order stands where it does, to a buyer.
mail-buyer-no-stock = It is sold out at the moment. You get it as soon as there is stock again, or your money back.
mail-buyer-review = The shop looks at this order before it is handed out.
mail-buyer-late = The payment arrived after the order had ended.
mail-buyer-short = Less than the price arrived.
mail-buyer-over = More than the price arrived; the rest goes back.
mail-buyer-surplus = A second payment arrived for it; that one goes back.
mail-buyer-disagrees = The payment is being checked with the payment provider.
mail-buyer-by-hand = The shop decided it by hand.

# The same, to the merchant.
mail-merchant-no-stock = Reason: no key is left.
mail-merchant-review = Reason: it waits for your decision.
mail-merchant-late = The payment arrived after the order had ended.
mail-merchant-short = Less than the price arrived.
mail-merchant-over = More than the price arrived: the rest is to be returned.
mail-merchant-surplus = A second payment arrived: that one is to be returned.
mail-merchant-disagrees = The provider, asked, says that it was not paid.
mail-merchant-by-hand = It was decided by hand.

# What is wrong with the machine, to the merchant.
mail-machine-read-only = The disk refuses writes: no orders are taken. Orders that are paid stay readable; the shop tries again by itself
mail-machine-writable = The disk takes writes again: orders are taken (writes that failed: { $failures })
mail-machine-disk-low = Only { $percent } % of the disk ({ $mib } MiB) are free: make room
mail-machine-disk-full = Only { $mib } MiB of the disk are free: no orders are taken until there is room
mail-machine-damaged = shop.redb is damaged: no orders are taken. Keep a copy of the folder as it is, check the disk, restore from a backup
mail-machine-unreadable = Parts of shop.redb cannot be read: the disk may be failing. Check the disk, and that the newest backup is whole; it is tried again within minutes
