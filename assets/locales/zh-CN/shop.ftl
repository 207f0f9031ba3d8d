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
support = 联系客服：
terms = 服务条款
zone-line = 页面时间：{ $zone }
banner-demo = 演示店铺：商品和付款都是假的，不会扣款。
banner-test = 测试模式：付款不是真的，不会发出真实商品。

# 橱窗
window-heading = 全部商品
window-empty = 暂时没有在售商品，请稍后再来。
stock-plenty = 库存充足
stock-last = 仅剩 { $count } 件
stock-reserved = 余货已被预留
stock-sold-out = 已售罄
stock-free-again = 若预留的订单未付款，最早恢复可售：
delivery-instant = 付款后自动发货，通常几秒
delivery-by-hand = 付款后人工发货

# 商品页
product-about = 商品说明
product-closed = 现在无法下单。
other-products = 看看其他商品
no-channel = 本店暂时无法收款，请稍后再来。
form-heading = 下单
field-quantity = 数量
field-contact = 邮箱或手机号
field-contact-hint = 用于接收订单消息，请填写本人常用的。
field-password = 查询密码（选填）
field-password-hint = 设置后，可凭订单号和此密码找回订单。请勿使用其他网站的密码。
field-channel = 付款方式
form-submit = 提交订单
form-hold = 提交后为您预留 { $minutes } 分钟，超时未付自动取消，不收任何费用。

# 下单被拒的原因
errors-heading = 订单尚未提交，请看以下问题
error-contact-empty = 请填写邮箱或手机号。
error-contact-form = 这不像邮箱或手机号，请检查，例如 name@example.com 或 13800138000。
error-quantity-form = 数量请填 1 或更大的整数。
error-quantity-too-many = 每单最多 { $max } 件，请减少数量。
error-stock-left = 目前只剩 { $left } 件，请减少数量。
error-sold-out = 刚刚售罄，请稍后再来或选择其他商品。
error-channel = 请选择一种付款方式。
error-password-long = 查询密码太长，最多 { $max } 个字节，请缩短。
error-open-contact = 该联系方式已有 { $max } 笔未付款订单，请先付款或等它们过期。
error-open-address = 您的网络已有 { $max } 笔未付款订单，请先付款或等它们过期。
error-held = 余下的库存已被未付款订单占用，请稍后再试或减少数量。
error-held-until = 余下的库存已被未付款订单占用，最早 { $time } 恢复可售。请届时再试或减少数量。
error-network-full = 您所在网络的未付款订单已达到预留上限，请先付款或稍后再试。
error-network-share = 您所在网络的未付款订单目前最多还能预留 { $max } 件，请减少数量。
error-busy = 下单的人较多，请过几秒再提交。您填写的内容已保留。

# 订单页：状态
order-title = 订单 { $number }
state-pending = 等待付款
state-short = 收到的金额不足
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
next-paid = 款项已收到，商品很快会显示在本页。
next-queue = 款项已收到，但库存刚好用完。到货后按付款顺序自动发货；也可以联系客服退款。
next-queue-place = 款项已收到，但库存刚好用完。您排在第 { $place } 位，到货后自动发货；也可以联系客服退款。
next-review = 款项已收到。为了安全，这笔订单由人工确认后发货，请留意本页。
next-checking = 付款通知与支付平台的查询结果不一致，正在核实。核实后本页会自动更新，请不要重复付款。
next-delivered = 请尽快使用，并保存好下面的内容。
next-expired = 未在时限内收到付款，没有扣您任何费用。如果您已经付款，请留在本页：款项到账后会自动识别。
next-expired-short = 未在时限内收齐全款，商品没有发出。已收到的金额见下方。
next-refunding = { $amount } 将退还给您，通常原路退回。到账时间以支付平台为准。
next-refunded = { $amount } 已退还。若尚未到账，请先查看支付平台的账单，再凭订单号联系客服。
next-cancelled = 这笔订单已被商家取消。

# 订单页：特别说明
remark-late = 这笔付款在订单过期后才到账，我们仍为您处理。
remark-by-hand = 这笔订单由商家人工处理。
remark-no-stock = 库存不足，无法发货。
remark-over = 您多付了 { $amount }，等待退还。
remark-second = 另收到一笔重复付款，{ $amount } 等待退还。
remark-returned = 多付的金额已退还。
remark-short = 已收到的 { $amount } 等待退还。
remark-owed = 此后又收到 { $amount }，等待退还。
remark-back = 已退还 { $amount }。

# 订单页：内容
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
pay-after = 付款后请回到本页。即使关闭了页面，也可以用下面的链接随时打开。
keys-heading = 您的卡密（{ $count } 件）
keys-download = 下载全部卡密
keys-until = 卡密可在本页查看至：
keys-gone = 卡密已过保存期，不再显示。如有需要请联系客服。
copy = 复制
copied = 已复制
receipt-heading = 购买凭证
receipt-proves = 凭证证明：这笔销售已写入本店的账本，之后无法悄悄修改或删除。
receipt-position = 账本序号
receipt-hash = 凭证哈希
receipt-download = 下载凭证
receipt-check = 如何核验
details-heading = 订单详情
detail-number = 订单号
detail-product = 商品
detail-total = 应付
detail-received = 已收到
detail-missing = 还差
detail-channel = 付款方式
detail-contact = 联系方式
detail-created = 下单时间
detail-paid = 付款时间
detail-delivered = 发货时间
keep-heading = 保存此链接
keep-hint = 凭此链接可随时打开订单和卡密。任何拿到链接的人都能看到，请勿转发。
keep-qr = 本订单链接的二维码

# 查询订单
find-heading = 查询订单
find-hint = 请输入订单号和下单时设置的查询密码。
find-order = 订单号
find-password = 查询密码
find-submit = 查询
find-failed = 没有找到订单：订单号或查询密码不正确。请核对后再试。
find-lost = 没有设置查询密码？请使用下单后保存的订单链接，或联系客服。

# 出错
problem-home = 返回首页
problem-status = 代码 { $status }
problem-not-found = 页面不存在
problem-not-found-next = 请检查链接是否完整。订单链接要从头到尾复制；也可以查询订单。
problem-foreign-origin = 请求来自其他网站
problem-foreign-origin-next = 为了您的安全，这次提交没有执行。请在本店页面重新填写。
problem-unencrypted = 连接未加密
problem-unencrypted-next = 为了您的安全，这次提交没有执行。请用 https:// 开头的网址打开本店，再重新填写。
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

# 核验
verify-heading = 核验凭证
verify-lead = 每笔销售都写入一本无法悄悄改动的账本。您可以在自己的电脑上离线核验，不必相信本店。
verify-step-receipt = 在订单页下载凭证文件。
verify-step-tool = 获取核验工具 keystall-verify（随 Keystall 一同发布，核验时不联网）。
verify-step-run = 在命令行运行，把 FILE 换成凭证文件：
verify-exit = 退出码 0 表示全部检查通过；1 表示内容被改动；4 表示证据不完整。
verify-vkey = 本店的账本公钥
verify-vkey-hint = 请在购买时记下它，或从本店以外的渠道核对：它不应改变。
verify-checkpoint = 最新签名检查点
verify-checkpoint-hint = 检查点是本店对整本账本的签名。留存一份，日后即可证明账本没有被改写。
