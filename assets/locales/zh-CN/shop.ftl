# 语言名称，显示在语言切换处
language-name = 中文

# 金额
money = { $currency ->
    [CNY] ¥{ $amount }
   *[other] { $currency } { $amount }
}

# 每页共用
skip = 跳到正文
nav-label = 导航
nav-find = 查询订单
nav-verify = 核验凭证
notice-label = 店铺公告
support = 联系客服：
terms = 服务条款
zone-line = 时间按 { $zone }
zone-line-china = 时间均为北京时间
banner-demo = 演示店铺：商品和付款都是假的，不会扣款。
banner-test = 测试模式：付款不是真的，不会发出真实商品。

# 橱窗
window-heading = 全部商品
window-empty = 暂时没有在售商品，请稍后再来。
window-found = 搜索：{ $query }
search-label = 搜索商品
search-submit = 搜索
search-empty = 没有找到相关商品。换个更短的词，或换种写法试试。
search-back = 查看全部商品
categories-label = 商品分类
category-all = 全部
category-empty = 该分类下暂时没有在售商品。
stock-plenty = 库存充足
stock-last = 仅剩 { $count } 件
stock-reserved = 余货已被预留
stock-sold-out = 已售罄
stock-held-heading = 余货都已被预留
stock-free-again-in = 最早恢复可售，还有
stock-free-again-now = 随时可能恢复可售，请刷新本页。
stock-free-again-hint = 其他买家已下单、尚未付款。若他们不付款，就可以再次购买。
stock-sold-out-heading = 已售罄
stock-no-date = 补货时间暂时未知。
delivery-instant = 付款后自动发货，通常几秒
delivery-measured = 自动发货，通常付款后 { $time }内到手（近 { $count } 笔实测）
delivery-by-hand = 付款后人工发货
delivery-word-instant = 自动发货
delivery-word-measured = 自动发货，约 { $time }
delivery-word-by-hand = 人工发货

duration-seconds = { $count } 秒
duration-minutes = { $count } 分钟
duration-hours = { $count } 小时
duration-days = { $count } 天

# 商品页
product-about = 商品说明
scope = 适用：
questions-heading = 常见问题
questions-jump = 购买前有疑问？先看常见问题
ask-heading = 还有疑问？
ask-support = 联系店铺：
other-products = 看看其他商品
no-channel = 本店暂时无法收款，请稍后再来。
form-heading = 下单
field-quantity = 数量
field-quantity-most = 目前每单最多 { $max } 件。
field-contact = 邮箱或手机号
field-contact-hint = 订单有问题时，店铺用它联系您。
field-contact-mailed = 填邮箱可收到订单链接和凭证。
field-mail = 邮箱
second-summary = 同时通知另一个地址
field-second = 备用邮箱或手机号（选填）
field-second-hint = 以防前一个联系不上。
field-password = 查询密码（选填）
field-password-hint = 设置后，可凭订单号和此密码找回订单。请勿使用其他网站的密码。
field-channel = 付款方式
form-total = 合计
form-submit = 提交订单
form-hold = 提交后为您预留 { $minutes } 分钟，超时未付自动取消，不收任何费用。

# 到货通知
wish-heading = 到货通知我
wish-hint = 恢复可售时发一封邮件，不发其他内容；不代表预留。
wish-submit = 通知我
wish-taken = 已登记。恢复可售时会给您发一封邮件。

# 下单被拒的原因
errors-heading = 订单尚未提交，请看以下问题
error-contact-empty = 请填写邮箱或手机号。
error-contact-form = 这不像邮箱或手机号，请检查，例如 name@example.com 或 13800138000。
error-second-form = 备用联系方式须是另一个邮箱或手机号，请检查，或留空。
error-mail-needed = 请填写邮箱，例如 name@example.com。
error-wishes-full = 等待这件商品的人已经太多，请过些时候再来看看。
error-quantity-form = 数量请填 1 或更大的整数。
error-quantity-too-many = 每单最多 { $max } 件，请减少数量。
error-stock-left = 目前只剩 { $left } 件，请减少数量。
error-sold-out = 刚刚售罄，请稍后再来或选择其他商品。
error-channel = 请选择一种付款方式。
error-password-long = 查询密码太长，最多 { $max } 个字节，请缩短。
error-password-again = 请重新填写查询密码：为了安全，它不会保留在页面上。
error-open-contact = 该联系方式已有 { $max } 笔未付款订单，请先付款或等它们过期。
error-open-address = 您的网络已有 { $max } 笔未付款订单，请先付款或等它们过期。
error-held = 余下的库存已被未付款订单占用，请稍后再试或减少数量。
error-held-until = 余下的库存已被未付款订单占用，最早 { $time } 恢复可售。请届时再试或减少数量。
error-network-full = 您所在网络的未付款订单已达到预留上限，请先付款或稍后再试。
error-network-share = 您所在网络的未付款订单目前最多还能预留 { $max } 件，请减少数量。
error-wish-busy = 现在人较多，请过几秒再试。
error-busy = 下单的人较多，请过几秒再提交。您填写的内容已保留。

# 订单页：状态
order-title = 订单 { $number }
state-pending = 等待付款
state-short = 收到的金额不足
state-parts = 款项分笔到账
state-paid = 已付款，正在发货
state-queue = 已付款，正在补货
state-review = 已付款，人工审核中
state-checking = 正在核实付款
state-delivered = 已发货
state-expired = 订单已过期
state-refunding = 退款处理中
state-refunded = 已退款
state-cancelled = 订单已取消

# 订单页：下一步
next-pending = 付款成功后，本页会自动显示卡密，请不要重复付款。
next-pending-closed = 该付款方式暂时不可用。请稍后刷新本页，或联系客服。
next-short = 须收齐全款才能发货。请凭订单号联系客服处理差额；若未补齐，订单过期后，已收到的金额列入退款。
next-parts = 款项分几笔到账，需人工发货。请凭订单号联系客服，不要再付款。
next-paid = 款项已收到，商品很快会显示在本页。
next-queue = 款项已收到，但库存刚好用完。到货后按付款顺序自动发货；也可以联系客服退款。
next-queue-place = 款项已收到，但库存刚好用完。您排在第 { $place } 位，到货后自动发货；也可以联系客服退款。
next-review = 款项已收到。为了安全，这笔订单由人工确认后发货，请留意本页。
next-checking = 付款通知与支付平台的查询结果不一致，正在核实。核实后本页会自动更新，请不要重复付款。
next-delivered = 请尽快使用，并保存好下面的内容。
next-erased = 本订单的记录仍在账本中，随时可以核对；您之前下载的凭证继续有效。
next-expired = 未在时限内收到付款，没有扣您任何费用。如果您已经付款，请留在本页：款项到账后会自动识别。
next-expired-short = 未在时限内收齐全款，商品没有发出。已收到的金额见下方。
next-refunding = { $amount } 将退还给您，通常原路退回。到账时间以支付平台为准。
next-refunded = { $amount } 已退还。若尚未到账，请先查看支付平台的账单，再凭订单号联系客服。
next-cancelled = 这笔订单已被商家取消，请不要再付款。如果您已付款，退款情况会显示在本页；有疑问请联系客服。

# 订单页：特别说明
remark-late = 这笔付款在订单过期后才到账，我们仍为您处理。
remark-by-hand = 这笔订单由商家人工处理。
remark-given = 商品由商家人工赠送；除此处所示金额外，没有收款记录。
remark-no-stock = 库存不足，无法发货。
remark-over = 您多付了 { $amount }，等待退还。
remark-second = 另收到一笔重复付款，{ $amount } 等待退还。
remark-returned = 多付的金额已退还。
remark-short = 已收到的 { $amount } 等待退还。
remark-owed = 此后又收到 { $amount }，等待退还。
remark-back = 已退还 { $amount }。
remark-replaced = 本订单有 { $count } 个卡密因有问题已更换，最近一次在 { $time }。此处显示的是更换后的卡密。
remark-erased = 本订单的个人信息已于 { $time } 清除：联系方式、支付流水号和卡密均不再保存。

# 订单页：内容
reload-hint = 浏览器未启用脚本，本页不会自动更新。
reload = 刷新查看
steps-label = 订单进度
step-ordered = 已下单
step-paid = 已付款
step-delivered = 已发货
order-note = 商家留言：
order-instructions = 使用说明
order-again = 重新下单
pay-heading = 应付金额
pay-before = 请在此时间前付款：
pay-left = 剩余
pay-button = 前往{ $channel }付款
pay-qr = { $channel }付款二维码
pay-scan = 请用{ $channel }的 App 扫码付款
pay-same-phone = 就在这部手机上付款？请点按钮。
pay-after = 付款后请回到本页。即使关闭了页面，也可以用下面的链接随时打开。
keys-heading = 您的卡密（{ $count } 件）
keys-download = { $count ->
    [1] 下载卡密
   *[other] 下载全部 { $count } 个卡密
}
keys-until = 卡密可在本页查看至：
keys-gone = 卡密已过保存期，不再显示。如有需要请联系客服。
copy = 复制
copied = 已复制
copy-by-hand = 已选中，请手动复制
receipt-heading = 购买凭证
receipt-proves = 凭证证明：这笔销售已写入本店的账本；账本若被修改或删减，保存过凭证或检查点的人都能发现改动。凭证文件内含卡密和联系方式，使用前请勿给他人。
receipt-position = 账本序号
receipt-hash = 凭证哈希
receipt-download = 下载凭证
receipt-check = 自行核验
receipt-state = 核验
receipt-verified = 核验通过
receipt-verified-means = 显示之前，本店的核验程序已像您一样检查过这份凭证：这笔销售在已签名的账本中，库存中发出的卡密正是入账的那一个。这仍是本店的说法；您自行核验时无需相信它。
receipt-print = 打印页
receipt-other-device = 在其他设备上打开凭证
receipt-qr = 凭证链接的二维码
slip-heading = 订单 { $number } 的凭证
slip-lead = 此页对应商店已签名账本中的一笔销售，二维码中的文件可以证明它。
slip-delivered = 交付时间
slip-vkey = 商店的账本公钥
slip-file = 凭证文件
slip-private = 持有此链接的人都能打开凭证，请妥善保管此页。凭证文件内含卡密和联系方式，使用前请勿给他人。
slip-how = 核验方法：在 { $address } 打开该文件，或使用 keystall-verify 工具，并从本店以外的渠道核对公钥。
slip-back = 返回订单
details-heading = 订单详情
detail-number = 订单号
detail-product = 商品
detail-scope = 适用
detail-total = 订单金额
detail-received = 已收到
detail-missing = 还差
detail-channel = 付款方式
detail-contact = 联系方式
detail-created = 下单时间
detail-paid = 付款时间
detail-delivered = 发货时间
keep-heading = 保存此链接
keep-hint = 凭此链接可随时打开订单，保存期内可查看卡密。任何拿到链接的人都能看到，请勿转发。
keep-mailed = 有关本订单的邮件（含此链接）会发到 { $contact }。
keep-other-device = 在其他设备上打开
keep-qr = 本订单链接的二维码
messages-heading = 发给您的消息
messages-hint = 没有收到？请看看垃圾邮件；消息里的内容本页都有。
message-delivered = 邮件：订单已发货
message-reminder = 邮件：提醒您订单已可提货
message-queued = 邮件：已收到付款
message-refund = 邮件：退款通知
message-replaced = 邮件：订单卡密已更换
help-heading = 订单遇到问题？
help-contact = 联系店铺：
help-mailed = 邮件里已填好订单号、商品和状态。
help-note = 请附上这段文字：
help-never-link = 客服只需要订单号，请勿把本页链接发给任何人。
help-mail-subject = 订单 { $number }
help-mail-body = 遇到的问题：

# 查询订单
find-heading = 查询订单
find-by-number = 凭订单号和查询密码
find-hint = 请输入订单号和下单时设置的查询密码。
find-order = 订单号
find-password = 查询密码
find-submit = 查询
find-failed = 没有找到订单：订单号或查询密码不正确。请核对后再试。
find-by-mail = 通过邮箱
find-by-mail-hint = 输入下单时填写的邮箱，我们把查看全部订单的链接发到那里。
find-by-mail-submit = 发送链接
find-sent-heading = 请查收邮件
find-sent = 如果该邮箱有订单，含链接的邮件已在路上，可能需要几分钟；也请看看垃圾邮件。
find-back = 返回查询
find-lost-one = 没有设置密码？请使用下单后保存的订单链接，或联系客服。
find-lost = 都不行？请使用下单后保存的订单链接，或联系客服。

# 我的订单
inbox-heading = 我的订单
inbox-empty = 该联系方式没有订单。
inbox-unread = 未查看
inbox-more = 更早的订单
inbox-until = 本页有效期至
inbox-private = 。任何拿到链接的人都能看到这些订单，请勿转发。

# 出错
problem-home = 返回首页
problem-status = 代码 { $status }
problem-not-found = 页面不存在
problem-not-found-next = 请检查链接是否完整。订单链接要从头到尾复制；也可以查询订单。
problem-erased = 本订单的私密内容已清除
problem-erased-next = 无法再生成新的凭证。您之前下载的凭证仍然有效，可用 keystall-verify 或“验证”页面核对。
problem-foreign-origin = 请求来自其他网站
problem-foreign-origin-next = 为了您的安全，这次提交没有执行。请在本店页面重新填写。
problem-unencrypted = 连接未加密
problem-unencrypted-next = 为了您的安全，这次提交没有执行。请用 https:// 开头的网址打开本店，再重新填写。
problem-unknown-proxy = 本店不认识前面的代理服务器
problem-unknown-proxy-next = 这次请求没有执行。如果这是您的店铺：请把日志中提到的代理地址写入设置 [listen] trusted_proxies，然后重新启动店铺。如果不是，请告诉店家。
problem-method = 不支持这样的请求
problem-method-next = 请从首页重新开始。
problem-too-large = 提交的内容太大
problem-too-large-next = 请返回，缩短内容后再提交。
problem-unreadable = 表单无法识别
problem-unreadable-next = 请返回商品页，重新填写。
problem-too-many = 操作太频繁
problem-too-many-next = 请等一分钟再试。已付款的订单不受影响。
problem-internal = 本店出了点问题
problem-internal-next = 请稍后再试。如果您已付款，款项会有记录，请打开订单链接查看，不要重复付款。
problem-busy = 现在人太多
problem-busy-next = 请过几秒再试。已付款的订单不受影响。
problem-read-only = 暂停下单
problem-read-only-next = 本店正在维护，稍后恢复。如果您已付款，恢复后会自动处理，请不要重复付款。
problem-provider-down = 暂时无法连接支付平台
problem-provider-down-next = 还没有扣款。请过一会儿回到订单页再点付款，或换一种付款方式重新下单。
problem-link-old = 链接已失效
problem-link-old-next = 为了您的安全，邮件中的链接只在一段时间内有效。请重新获取。
problem-ask-link = 重新获取链接

# 核验
verify-heading = 核验凭证或账本
verify-lead = 每笔销售都写入账本；保存过凭证或检查点的人都能发现改动。您可以在浏览器里核验凭证或整本账本：不发送任何内容，也不必相信本店。
verify-no-script = 在此页核验需要 JavaScript。没有时请使用下面介绍的 keystall-verify 工具，它随 Keystall 一同发布，核验时不联网。
verify-save-heading = 留存核验器
verify-save-hint = 此页面来自被核验的商店。您可以把核验器存成文件：无需网络即可使用，适用于每一家使用 Keystall 的商店，也可以转给他人。
verify-save = 保存核验器（{ $size } KiB）
verify-save-hash = 它的 SHA-256，可与别处取得的副本比对：
verify-tool-heading = 使用命令行工具
verify-step-receipt = 在订单页下载凭证文件。
verify-step-tool = 获取核验工具 keystall-verify（随 Keystall 一同发布，核验时不联网）。
verify-step-run = 在命令行运行，把 FILE 换成凭证文件：
verify-exit = 退出码 0 表示全部检查通过；1 表示内容被改动；3 表示文件格式错误；4 表示证据不完整；5 表示签过两份历史。
verify-vkey = 本店的账本公钥
verify-vkey-hint = 请在购买时记下它，或从本店以外的渠道核对：它不应改变。
verify-later = 之后更换的公钥
verify-later-hint = 在账本中，上面的公钥可以证明这些公钥。凭证不含这项证明：核验凭证时，请同时给出上面的公钥和取得凭证时所用的公钥。
verify-since = { $generation ->
    [0] 自第 { $entry } 条起
   *[other] 自第 { $generation } 代第 { $entry } 条起
}
verify-checkpoint = 最新签名检查点
verify-checkpoint-hint = 检查点是本店对整本账本的签名。留存一份，日后即可证明账本没有被改写。
