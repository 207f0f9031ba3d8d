# 邮件中的词句
mail-open = 打开
mail-foot-buyer = 您收到这封邮件，是因为有人在「{ $shop }」留下了这个邮箱。如非本人操作，忽略即可。
mail-foot-merchant = 来自您的店铺「{ $shop }」。可用 keystall notify template 修改邮件内容。

# 订单原因（给买家）
mail-buyer-no-stock = 商品暂时缺货，补货后立即发货，否则退款。
mail-buyer-review = 店铺会先核对这笔订单，再发货。
mail-buyer-late = 付款到账时订单已过期。
mail-buyer-short = 到账金额少于应付金额。
mail-buyer-over = 到账金额多于应付金额，多出部分将退还。
mail-buyer-surplus = 这笔订单收到了第二次付款，重复部分将退还。
mail-buyer-disagrees = 正在与支付平台核对这笔付款。
mail-buyer-by-hand = 由店铺人工处理。

# 订单原因（给商家）
mail-merchant-no-stock = 原因：没有可用卡密。
mail-merchant-review = 原因：等待您处理。
mail-merchant-late = 付款到账时订单已过期。
mail-merchant-short = 到账金额少于应付金额。
mail-merchant-over = 到账金额多于应付金额，多出部分待退还。
mail-merchant-surplus = 收到重复付款，重复部分待退还。
mail-merchant-disagrees = 向支付平台查询，结果为未付款。
mail-merchant-by-hand = 已人工处理。

# 机器的问题，发给店主。
mail-machine-read-only = 磁盘无法写入：暂停下单。已付款的订单仍可查看，店铺会自动重试
mail-machine-writable = 磁盘恢复写入：可以下单（其间写入失败 { $failures } 次）
mail-machine-disk-low = 磁盘仅剩 { $percent } %（{ $mib } MiB）：请清理空间
mail-machine-disk-full = 磁盘仅剩 { $mib } MiB：空间恢复前暂停下单
mail-machine-damaged = shop.redb 已损坏：暂停下单。请原样备份数据文件夹，检查磁盘，再从备份恢复
mail-machine-unreadable = shop.redb 有部分无法读取：磁盘可能有故障。请检查磁盘，并确认最新备份完好；几分钟后会自动重试
