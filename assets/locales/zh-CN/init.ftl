# `keystall init`，在终端上

init-welcome =
    新建一家店。只有几个问题：直接回车采用 [ ] 里的值，Ctrl-C 退出。在您确认之前不会写入任何东西。
init-yes-or-no = 请输入 y 或 n
init-empty = 这里需要一个回答。
init-too-often = 无效的回答太多：什么都没有创建
init-declined = 什么都没有创建
init-interrupted = 已中断：什么都没有创建
init-interrupted-made = 已中断：店铺已经创建；用 `{ $serve }` 启动
init-bad-host = 请输入单独的域名或 IP 地址，例如 shop.example.com：不要 https://、端口和路径；中文域名请用 xn-- 形式。
init-bad-title = 最多 256 字节，只能一行。
init-bad-currency = 请输入货币代码，例如 CNY 或 USD。
init-bad-mail = 请输入单独的邮箱地址，例如 shop@example.com：前面不要加名字，不要有空格。
init-bad-mail-host = 请输入单独的服务器名，例如 smtp.qq.com：端口随后再问。
init-ask-host = 买家访问的域名，例如 shop.example.com（也可以是本机的 IP 地址）
init-keep-host = 仍然使用这个域名？
init-ask-title = 店名
init-ask-currency = 所有价格的货币（以后不能更改）
init-rmb = 人民币的代码是 CNY。
init-certificates =
    https:// 的证书从哪里来
      1  自动向 Let's Encrypt 申请；域名必须指向本机，并使用 80 和 443 端口
      2  使用您已有的证书文件
      3  由店铺自己生成：浏览器会警告，适合试用
      4  不在这里：由本机的 nginx、Caddy 等反向代理处理
init-ask-certificate = 选哪一个？
init-one-to-four = 请输入 1、2、3 或 4
init-ask-terms = 您同意证书机构的条款吗？https://letsencrypt.org/repository/
init-without-terms = 不同意就无法签发：请重新选择。
init-ask-contact = 接收证书机构提醒的邮箱（留空：不填）
init-ask-cert = 证书链文件（PEM）
init-ask-key = 私钥文件（PEM）
init-cert-denied =
    { $why }。店铺以用户 { $owner } 运行，它必须能读取这两个文件。请为它复制一份：install -D -o { $owner } -m 0400 -t /etc/keystall/tls 证书 私钥（每次续期后再复制一次），然后输入副本的路径
init-cert-foreign = { $file } 里的证书不是 { $host } 的，而是 { $names } 的：浏览器会警告
init-keep-cert = 仍然使用它？
init-ask-mail = 邮件服务器，例如 smtp.qq.com；买家会收到一封邮件，里面是查看卡密的链接（留空：以后再设）
init-ask-mail-port = 端口
init-port = 请输入 1 到 65535 的数字
init-ask-mail-user = 用户名（留空：没有）
init-ask-mail-password = 密码（QQ、163 为授权码），输入时不显示
init-ask-mail-from = 发件人地址
init-ask-mail-merchant = 接收您自己的销售和警报的邮箱
init-host-here = { $host } 指向本机（{ $address }）
init-host-unknown =
    找不到 { $host }：请为它添加一条 DNS 记录（A），指向本机的地址，这里看到的是 { $mine }。几分钟后别人才能看到。
init-host-unknown-alone =
    找不到 { $host }：请为它添加一条 DNS 记录（A），指向本机的公网地址（从这里看不到）。几分钟后别人才能看到。
init-host-perhaps =
    { $host } 指向 { $addresses }；从这里看不到本机的公网地址：请自行核对。
init-host-elsewhere =
    { $host } 指向 { $addresses }，而本机是 { $mine }：请修改 DNS 记录。如果前面有代理或 CDN，这样就是对的。
init-host-behind-nat =
    { $host } 指向 { $addresses }；本机是 { $mine }，在路由器之后，从这里看不到公网地址。如果就是那个地址，请让路由器把 80 和 443 端口转发到本机。
init-port-free = { $address } 可用
init-port-taken =
    { $address } 已被 { $who } 占用：请停止它，或者让它做店铺前面的代理（证书选择代理，或使用 --tls proxy）
init-port-denied =
    您没有使用 { $address } 的权限：安装包自带的服务有；否则请用 root 运行，或改用 1023 以上的端口
init-port-impossible = 无法监听 { $address }：{ $why }
init-clock-right = 时钟准确
init-clock-wrong =
    时钟差了 { $seconds } 秒：证书和支付都需要准确的时间；timedatectl set-ntp true
init-clock-refuses =
    按本机时钟 { $now }，证书机构的证书无效（{ $why }）：请校准时钟；timedatectl set-ntp true
init-disk-enough = 磁盘剩余 { $mib } MiB
init-disk-little = 磁盘只剩 { $mib } MiB：请腾出空间，至少 1024 MiB 比较稳妥
init-disk-remote =
    目录在网络存储 { $kind } 上：断电时可能丢失销售记录；请使用本机的磁盘（--dir）
init-secret-readable =
    其他用户可以读取 { $file }，其中有密码（{ $keys }）：请把它移到只有店铺用户能读取的单独文件（键名加 _file），或者把设置 chmod 600 并 chown 给该用户
init-mail-untried = 邮件还没有试过：店铺启动后请运行 keystall notify test{ $dir }
init-links-elsewhere = 链接里的端口是 { $linked }，而店铺没有监听它：如果有别的程序转发，这样就是对的；否则请设置 [shop] port = { $port }
init-plan =
    将会创建：
      店铺   { $dir }，属于用户 { $owner }
      设置   { $file }
init-plan-kept =
    将会创建：
      店铺   { $dir }，属于用户 { $owner }
    使用已有的设置，不会改动：{ $file }
init-go-on = 继续？
init-start = 现在启动店铺，并在每次开机时启动？
init-starting = 正在启动店铺 …
init-fetched = 正在申请证书，拿到之前浏览器会警告店铺自己生成的证书：用 keystall certificate show{ $dir } 查看进度
init-made = { $host } 的店铺在 { $dir }
init-open =
    店铺已开张：{ $url }
    下一步：keystall product add --help，然后 keystall channel add --help；keystall doctor 会告诉您还缺什么
init-next =
    下一步：keystall product add{ $dir } --help，然后 keystall channel add{ $dir } --help，最后 keystall serve{ $dir }；网址将是 { $url }
init-sheet =
    { $host } 的恢复单（RECOVERY SHEET）：请抄写或打印下来，不要放在这台机器上。
    它只显示这一次，不会保存。它证明恢复后的账本是这一本的延续。

    恢复密钥 Recovery secret（24 个英文单词，每个单词的前四个字母就够了）：
    { $secret }

    Root key: { $root }
    Log key:  { $log }

    还请把店铺目录里的 root.key 和 erase.keys 复制到安全的地方：没有它们，里面的任何内容都打不开。
init-sheet-code = 同样的内容，二维码（请只用离线的、或您信得过的手机扫描）：
init-sheet-ask = 已经抄到纸上了吗？请输入其中两个单词（留空：跳过）。
init-sheet-word = 第 { $word } 个单词（共 24 个）
init-sheet-wrong = 和恢复单上的不一样：每个单词前面都有它的编号。
init-sheet-right = 恢复单没有抄错。
init-sheet-passed = 没有核对。这段文字从屏幕上消失之后，谁也无法再显示它。
init-sheet-file = 供打印的恢复单在 { $file }：打印之后请删除这个文件（shred -u）。
init-paper-title = { $host } 的恢复单
init-paper-what = 请把这张纸放在服务器以外、别人找不到的地方。拿到这 24 个单词的人可以代表本店的账本；丢了它就无法恢复到备份。
init-paper-code = 同样的内容，二维码。请只用离线的、或您信得过的手机扫描。
init-paper-how = 恢复到备份：keystall backup restore。在另一台机器上为店铺签名：keystall-verify sign。两者都会要求按顺序输入这些单词；大小写、编号和换行都无关，每个单词的前四个字母就够了。还请把店铺目录里的 root.key 和 erase.keys 保存在安全的地方。
init-paper-date = 抄写日期
