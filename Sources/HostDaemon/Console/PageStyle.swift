// SPDX-License-Identifier: Apache-2.0

/// The page's only style: inline, no font or image from anywhere, light and dark as the reader's system is.
enum PageStyle {
    static let css = """
        :root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--line:#e3e6eb;--text:#1b2330;--soft:#626d7d;
        --good:#12733f;--good-bg:#e2f4e9;--warn:#8a5300;--warn-bg:#fdf0d7;--bad:#b3261e;--bad-bg:#fce8e6;--code:#eef0f4;
        --accent:#2c5cc5}
        @media (prefers-color-scheme:dark){:root{--bg:#11151b;--card:#191f28;--line:#2a323e;--text:#e6eaf0;--soft:#97a3b4;
        --good:#6fd39a;--good-bg:#173426;--warn:#f0b95a;--warn-bg:#3a2d12;--bad:#ff8f86;--bad-bg:#40201e;--code:#222a35;
        --accent:#8db1ff}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--bg);color:var(--text);font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
        "Helvetica Neue",Arial,"DejaVu Sans",sans-serif}
        main,header,footer{max-width:1180px;margin:0 auto;padding:0 20px}
        header{display:flex;flex-wrap:wrap;align-items:center;gap:6px 14px;padding-top:22px;padding-bottom:16px}
        h1{margin:0;font-size:22px;letter-spacing:-.02em}
        h2{margin:0;font-size:15px}
        header p{margin:0;color:var(--soft)}
        header .state{margin-left:auto}
        .state .pill{white-space:normal;border-radius:12px}
        .pill{display:inline-block;padding:1px 9px;border-radius:99px;font-size:12px;font-weight:600;white-space:nowrap;
        background:var(--code);color:var(--soft)}
        .good{color:var(--good);background:var(--good-bg)}
        .warn{color:var(--warn);background:var(--warn-bg)}
        .bad{color:var(--bad);background:var(--bad-bg)}
        .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px;margin:0 0 16px}
        .figure,section{background:var(--card);border:1px solid var(--line);border-radius:10px}
        .figure{margin:0;padding:11px 15px}
        .figure dt{color:var(--soft);font-size:12px}
        .figure dd{margin:0;font-size:22px;font-weight:600;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
        .figure dd.alarm{color:var(--bad)}
        section{margin:0 0 16px;overflow:hidden}
        .head{display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 10px;padding:12px 16px 10px}
        .head span{color:var(--soft);font-size:13px}
        .scroll{overflow-x:auto}
        table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
        th,td{padding:7px 16px;text-align:left;border-top:1px solid var(--line);vertical-align:top}
        th{color:var(--soft);font-weight:500;font-size:12px;white-space:nowrap}
        td.n,th.n{text-align:right;white-space:nowrap}
        td.z{color:var(--soft)}
        td.w{white-space:nowrap}
        td.t{min-width:200px;overflow-wrap:anywhere}
        .why{padding:0 16px 9px;border-top:0;color:var(--soft);overflow-wrap:anywhere}
        .why.alarm{color:var(--bad)}
        tr.noted td{padding-bottom:3px}
        p.none{margin:0;padding:0 16px 14px;color:var(--soft)}
        code{white-space:nowrap;background:var(--code);border-radius:5px;padding:1px 6px;
        font:12.5px ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace}
        .notice{padding:14px 16px}
        .notice p{margin:4px 0 0}
        .notice ul{margin:6px 0 0;padding-left:20px;overflow-wrap:anywhere}
        footer{padding-top:2px;padding-bottom:30px;color:var(--soft);font-size:13px}
        a{color:var(--accent)}
        form{display:flex;flex-wrap:wrap;gap:8px;margin-top:12px}
        input,button{font:inherit;padding:6px 11px;border:1px solid var(--line);border-radius:7px;background:var(--bg);
        color:var(--text)}
        input{flex:1 1 220px}
        button{background:var(--accent);border-color:var(--accent);color:var(--card);font-weight:600;cursor:pointer}
        @media (max-width:600px){main,header,footer{padding-left:12px;padding-right:12px}th,td,.why{padding-left:12px;
        padding-right:12px}.head,p.none{padding-left:12px}}
        """
}
