"""User agents as servers see them."""

from __future__ import annotations

_COMPATIBLE = (
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; {}) "
    "Chrome/130.0.0.0 Safari/537.36"
)
_WITH = "Mozilla/5.0 (compatible; {})"

ROBOTS = [
    # Search engines
    _WITH.format("Googlebot/2.1; +http://www.google.com/bot.html"),
    "Googlebot-Image/1.0",
    "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/130.0.6723.69 Mobile Safari/537.36 (compatible; GoogleOther)",
    "AdsBot-Google (+http://www.google.com/adsbot.html)",
    "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
    "Google-Read-Aloud",
    "FeedFetcher-Google; (+http://www.google.com/feedfetcher.html)",
    "Mediapartners-Google",
    "APIs-Google (+https://developers.google.com/webmasters/APIs-Google.html)",
    _COMPATIBLE.format("bingbot/2.0; +http://www.bing.com/bingbot.htm"),
    _COMPATIBLE.format("MicrosoftPreview/2.0; +https://aka.ms/MicrosoftPreview"),
    _WITH.format("YandexBot/3.0; +http://yandex.com/bots"),
    _WITH.format("YandexImages/3.0; +http://yandex.com/bots"),
    _WITH.format("Baiduspider/2.0; +http://www.baidu.com/search/spider.html"),
    "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
    _COMPATIBLE.format("DuckAssistBot/1.2; +http://duckduckgo.com/duckassistbot.html"),
    "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
    "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
    _WITH.format("SeznamBot/4.0; +https://o-seznam.cz/napoveda/vyhledavani/en/seznambot-crawler/"),
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
    "Mozilla/5.0 (Linux; Android 7.0;) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 "
    "(compatible; PetalBot;+https://webmaster.petalsearch.com/site/petalbot)",
    # Previews of links
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) "
    "Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    "Twitterbot/1.0",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slack-ImgProxy (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 "
    "skype-url-preview@microsoft.com",
    "Pinterest/0.2 (+https://www.pinterest.com/bot.html)",
    "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com/feedback)",
    "Mastodon/4.3.1 (http.rb/5.2.0; +https://mastodon.social/)",
    "Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)",
    "Iframely/1.3.1 (+https://iframely.com/docs/about)",
    "Viber/22.0",
    # Crawlers that collect texts, and helpers of chats
    _COMPATIBLE.format("GPTBot/1.2; +https://openai.com/gptbot"),
    _COMPATIBLE.format("OAI-SearchBot/1.0; +https://openai.com/searchbot"),
    _COMPATIBLE.format("ChatGPT-User/1.0; +https://openai.com/bot"),
    _COMPATIBLE.format("ClaudeBot/1.0; +claudebot@anthropic.com"),
    _COMPATIBLE.format("Claude-User/1.0; +Claude-User@anthropic.com"),
    _COMPATIBLE.format("PerplexityBot/1.0; +https://perplexity.ai/perplexitybot"),
    _COMPATIBLE.format("Amazonbot/0.1; +https://developer.amazon.com/support/amazonbot"),
    "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
    "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 "
    "(compatible; Bytespider; spider-feedback@bytedance.com)",
    "CCBot/2.0 (https://commoncrawl.org/faq/)",
    "cohere-ai",
    _COMPATIBLE.format("MistralAI-User/1.0; +https://docs.mistral.ai/robots"),
    "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
    # Those of tools for marketing, and watchers
    _WITH.format("AhrefsBot/7.0; +http://ahrefs.com/robot/"),
    _WITH.format("SemrushBot/7~bl; +http://www.semrush.com/bot.html"),
    _WITH.format("MJ12bot/v1.4.8; http://mj12bot.com/"),
    _WITH.format("UptimeRobot/2.0; http://www.uptimerobot.com/"),
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "HeadlessChrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 11; moto g power (2022)) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Mobile Safari/537.36 Chrome-Lighthouse",
    # Programs
    "curl/8.9.1",
    "Wget/1.24.5",
    "python-requests/2.32.3",
    "Python-urllib/3.12",
    "python-httpx/0.27.2",
    "Python/3.12 aiohttp/3.10.5",
    "Scrapy/2.11.2 (+https://scrapy.org)",
    "Go-http-client/2.0",
    "Apache-HttpClient/4.5.14 (Java/17.0.12)",
    "Java/17.0.12",
    "okhttp/4.12.0",
    "axios/1.7.7",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
    "GuzzleHttp/7",
    "libwww-perl/6.77",
    "Ruby",
    "Dart/3.5 (dart:io)",
    "PostmanRuntime/7.42.0",
    "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.4894",
]

_IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko)"
)
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
_ANDROID = "Mozilla/5.0 (Linux; Android {}) AppleWebKit/537.36 (KHTML, like Gecko)"

BROWSERS = [
    f"{_WINDOWS} Chrome/131.0.0.0 Safari/537.36",
    f"{_WINDOWS} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    f"{_WINDOWS} Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0",
    f"{_WINDOWS} Chrome/128.0.0.0 YaBrowser/24.10.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Safari/605.1.15",
    f"{_IPHONE} Version/18.1 Mobile/15E148 Safari/604.1",
    f"{_IPHONE} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1",
    f"{_IPHONE} GSA/341.3.692278309 Mobile/15E148 Safari/604.1",
    f"{_IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/488.0.0.70.104;FBDV/iPhone15,2;FBLC/en_US]",
    f"{_IPHONE} Mobile/15E148 Instagram 356.0.0.27.83 (iPhone15,2; iOS 18_1; en_US; scale=3.00)",
    f"{_IPHONE} Mobile/21G93 [Pinterest/iOS]",
    f"{_IPHONE} Mobile/15E148 MicroMessenger/8.0.53(0x18003531) NetType/WIFI Language/zh_CN",
    f"{_ANDROID.format('10; K')} Chrome/131.0.0.0 Mobile Safari/537.36",
    f"{_ANDROID.format('13; SM-S901B')} SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36",
    f"{_ANDROID.format('11; CUBOT NOTE 20 PRO')} Chrome/129.0.0.0 Mobile Safari/537.36",
    f"{_ANDROID.format('10; CUBOT_P40')} Chrome/129.0.0.0 Mobile Safari/537.36",
    f"{_ANDROID.format('12; M2101K6G; wv')} Version/4.0 Chrome/76.0.3809.89 Mobile "
    "Safari/537.36 T7/13.60 baiduboxapp/13.60.0.10",
    f"{_ANDROID.format('14; Pixel 8')} Chrome/131.0.0.0 Mobile Safari/537.36 DuckDuckGo/5",
    "Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0",
    "Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) "
    "94.0.4606.31/7.0 TV Safari/537.36",
    "Opera/9.80 (Android; Opera Mini/36.2.2254/191.303; U; en) Presto/2.12.423 Version/12.16",
]
