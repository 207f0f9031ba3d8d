# `keystall init`, on a terminal

init-welcome =
    A new shop. A few questions; Enter takes what stands in [ ], Ctrl-C ends. Nothing is written before you agreed.
init-yes-or-no = y or n
init-empty = An answer is needed here.
init-too-often = too many answers that cannot be used: nothing was made
init-declined = nothing was made
init-interrupted = interrupted: nothing was made
init-interrupted-made = interrupted: the shop is made; `{ $serve }` serves it
init-bad-host = A bare host name or an address is needed, as shop.example.com: no https://, no port, no path, and other scripts in their xn-- form.
init-bad-title = At most 256 bytes in one line.
init-bad-currency = A currency's code is needed, as CNY or USD.
init-bad-mail = A bare mail address is needed, as shop@example.com: no name before it, no spaces.
init-bad-mail-host = A bare host name is needed, as smtp.example.com: the port is asked next.
init-ask-host = Host name that buyers type, as shop.example.com (or this machine's address)
init-keep-host = Go on with this host?
init-ask-title = The shop's name
init-ask-currency = Currency of all prices (it cannot be changed later)
init-rmb = The code of the Chinese yuan is CNY.
init-certificates =
    The certificate, for https://
      1  from Let's Encrypt, by itself; the host must lead here, on ports 80 and 443
      2  from files that you have
      3  made by the shop: browsers warn of it, good for a try
      4  none here: nginx, Caddy or another proxy on this machine has it
init-ask-certificate = Which?
init-one-to-four = 1, 2, 3 or 4
init-ask-terms = Do you agree to the authority's terms? https://letsencrypt.org/repository/
init-without-terms = Without that it signs nothing: choose again.
init-ask-contact = Mail address for the authority's warnings (empty: none)
init-ask-cert = File with the certificate's chain (PEM)
init-ask-key = File with its private key (PEM)
init-cert-denied =
    { $why }. The shop runs as user { $owner }, who must be able to read both files. Copies of its own: install -D -o { $owner } -m 0400 -t /etc/keystall/tls CERT KEY, again after each renewal; then name those
init-cert-foreign = the certificate in { $file } is not for { $host } but for { $names }: browsers warn of it
init-keep-cert = Take it all the same?
init-ask-mail = Mail server, as smtp.example.com; buyers get a link to their keys by mail (empty: later)
init-ask-mail-port = Its port
init-port = a number between 1 and 65535
init-ask-mail-user = User there (empty: none)
init-ask-mail-password = Password, not shown
init-ask-mail-from = Sender's address
init-ask-mail-merchant = Where your own sales and alarms go
init-host-here = { $host } leads to this machine ({ $address })
init-host-unknown =
    { $host } is not known: make a DNS record (A) of it with the address of this machine, here { $mine }. It may take some minutes until others see it.
init-host-unknown-alone =
    { $host } is not known: make a DNS record (A) of it with the public address of this machine, which cannot be seen from here. It may take some minutes until others see it.
init-host-perhaps =
    { $host } leads to { $addresses }; the public address of this machine cannot be seen from here: compare the two.
init-host-elsewhere =
    { $host } leads to { $addresses }, this machine is { $mine }: change the DNS record. With a proxy or CDN in front it is right as it is.
init-host-behind-nat =
    { $host } leads to { $addresses }; this machine is { $mine }, behind a router whose public address cannot be seen from here. If it is that one, let the router pass ports 80 and 443 on to this machine.
init-port-free = { $address } is free
init-port-taken =
    { $address } is taken by { $who }: stop it, or let it be the proxy in front of the shop (choose a proxy for the certificate, or --tls proxy)
init-port-denied =
    { $address } needs a right that you do not have: the packaged service has it; else run this as root, or take ports above 1023
init-port-impossible = { $address } cannot be listened on: { $why }
init-clock-right = the clock is right
init-clock-wrong =
    the clock is off by { $seconds } s: certificates and payments need it right; timedatectl set-ntp true
init-clock-refuses =
    by this machine's clock, { $now }, the authority's certificate is not valid ({ $why }): set the clock; timedatectl set-ntp true
init-disk-enough = { $mib } MiB are free on the disk
init-disk-little = only { $mib } MiB are free on the disk: make room, 1024 MiB are a good beginning
init-disk-remote =
    the folder is on { $kind }, over the network: a power cut there may cost sales; take a disk of this machine (--dir)
init-secret-readable =
    others can read { $file }, and a secret stands in it ({ $keys }): move it to a file of its own that only the shop's user reads (the key with _file), or chmod 600 and chown the settings to that user
init-mail-untried = mail was not tried: once the shop is open, run keystall notify test{ $dir }
init-links-elsewhere = links name port { $linked }, at which the shop does not listen: right where something passes it on; else [shop] port = { $port }
init-plan =
    This will be made:
      the shop       { $dir }, of user { $owner }
      its settings   { $file }
init-plan-kept =
    This will be made:
      the shop       { $dir }, of user { $owner }
    from the settings that are there and stay as they are: { $file }
init-go-on = Go on?
init-start = Start the shop now, and at each boot?
init-starting = Starting the shop …
init-fetched = its certificate is being fetched, and until then browsers warn of its own: keystall certificate show{ $dir } says how it is
init-made = a shop for { $host } is in { $dir }
init-open =
    the shop is open: { $url }
    next: keystall product add --help, then keystall channel add --help; keystall doctor says what is missing
init-next =
    next: keystall product add{ $dir } --help, then keystall channel add{ $dir } --help, then keystall serve{ $dir }; it will be { $url }
init-sheet =
    RECOVERY SHEET of { $host }: write this down or print it, and keep it away from this machine.
    It is shown once and is not kept. It proves that a restored ledger continues this one.

    Recovery secret (24 words; the first four letters of each are enough):
    { $secret }

    Root key: { $root }
    Log key:  { $log }

    Copy root.key and erase.keys from the shop's folder to a safe place too: without them nothing in it opens.
init-sheet-code = The same as a QR code, for a phone that is offline or that you trust with it:
init-sheet-ask = Is it on paper? Two words of it, please (empty: go on without).
init-sheet-word = Word { $word } of 24
init-sheet-wrong = That is not what the sheet says: each word has its number there.
init-sheet-right = The sheet is right.
init-sheet-passed = Not checked. Once this text is gone from the screen, nobody can show it again.
init-sheet-file = The sheet for printing is in { $file }: print it, then delete the file (shred -u).
init-paper-title = Recovery sheet of { $host }
init-paper-what = Keep this paper away from the server, where nobody else finds it. Who has these 24 words can speak for this shop's ledger; who has lost them cannot go back to a copy.
init-paper-code = The same as a QR code. Scan it only with a phone that is offline or that you trust with it.
init-paper-how = To go back to a copy: keystall backup restore. To sign for the shop on another machine: keystall-verify sign. Both ask for the words, in their order; capitals, numbers and lines do not matter, and the first four letters of each word are enough. Keep root.key and erase.keys of the shop's folder in a safe place too.
init-paper-date = Written on
