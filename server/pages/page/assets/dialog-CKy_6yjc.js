import{r as e}from"./rolldown-runtime-XKyaHtl9.js";import{n as t,t as n}from"./jsx-runtime-C3cWAN_r.js";import{C as r,O as i,R as a,S as o}from"./index-D6jXM8tt.js";import{t as s}from"./clipboard-CBb5CDyi.js";import{n as c,t as l}from"./operation-4na5ov78.js";var u=e(t(),1),d=`GAMEHUB_GRAPH_KEY`;function f(e){let t=i(e.variables)??{};return e.subscribes?[{tool:`curl`,text:h(e,t)}]:[{tool:`curl`,text:h(e,t)},{tool:`fetch`,text:v(e,t)},{tool:`Apollo Client`,text:y(e,t)},{tool:`urql`,text:b(e,t)},{tool:`Python`,text:x(e,t)},{tool:`Power Query`,text:S(e,t)},...e.table===void 0?[]:[{tool:`Table (CSV)`,text:C(e.origin,e.table,t)}]]}var p=e=>Object.keys(e).length>0;function m({query:e},t){return JSON.stringify({query:e,...p(t)?{variables:t}:{}})}function h(e,t){let n=e=>`'${e.replaceAll(`'`,`'\\''`)}'`;return[`curl ${e.subscribes?`--no-buffer`:`--compressed`} --silent --show-error ${n(`${e.origin}/graphql`)}`,`--header ${n(`Content-Type: application/json`)}`,...e.subscribes?[`--header ${n(`Accept: text/event-stream`)}`]:[],...e.keyed?[`--header "Authorization: Bearer $${d}"`]:[],`--data-binary ${n(m(e,t))}`].join(` \\
  `)}var g=e=>`\`${e.replaceAll(`\\`,`\\\\`).replaceAll("`","\\`").replaceAll("${","\\${")}\``,_=(e,t)=>JSON.stringify(e,null,2).replaceAll(`
`,`\n${t}`);function v(e,t){let n=e.keyed?`, authorization: \`Bearer \${process.env.${d}}\``:``;return`const query = ${g(e.query)};
const variables = ${_(t,``)};

const response = await fetch(${JSON.stringify(`${e.origin}/graphql`)}, {
  method: "POST",
  headers: { "content-type": "application/json", accept: "application/json"${n} },
  body: JSON.stringify({ query, variables }),
});
const { data, errors } = await response.json();
if (errors) throw new Error(errors[0].message);
console.log(JSON.stringify(data));
`}function y(e,t){let n=e.keyed?`, headers: { authorization: \`Bearer \${process.env.${d}}\` }`:``;return`import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";

const client = new ApolloClient({
  link: new HttpLink({ uri: ${JSON.stringify(`${e.origin}/graphql`)}${n} }),
  cache: new InMemoryCache(),
});

const query = gql${g(e.query)};

const { data } = await client.query({ query, variables: ${_(t,``)} });
console.log(JSON.stringify(data));
`}function b(e,t){let n=e.keyed?`\n  fetchOptions: { headers: { authorization: \`Bearer \${process.env.${d}}\` } },`:``;return`import { Client, fetchExchange, gql } from "@urql/core";

const client = new Client({
  url: ${JSON.stringify(`${e.origin}/graphql`)},
  preferGetMethod: false,
  exchanges: [fetchExchange],${n}
});

const query = gql${g(e.query)};

const { data, error } = await client.query(query, ${_(t,``)});
if (error) throw error;
console.log(JSON.stringify(data));
`}function x(e,t){let n=(e,t=``)=>e==null?`None`:typeof e==`boolean`?e?`True`:`False`:Array.isArray(e)?`[${e.map(e=>n(e,t)).join(`, `)}]`:typeof e==`object`?`{${Object.entries(e).map(([e,r])=>`${JSON.stringify(e)}: ${n(r,t)}`).join(`, `)}}`:JSON.stringify(e),r=!e.query.includes(`\\`)&&!e.query.includes(`"""`)&&!e.query.endsWith(`"`)?`"""\\\n${e.query}"""`:JSON.stringify(e.query),i=e.keyed?`\n    headers={"Authorization": "Bearer " + os.environ["${d}"]},`:``;return`import json
${e.keyed?`import os
`:``}
import httpx

QUERY = ${r}

answer = httpx.post(
    ${JSON.stringify(`${e.origin}/graphql`)},
    json={"query": QUERY, "variables": ${n(t)}},${i}
    timeout=60,
).json()
if "errors" in answer:
    raise SystemExit(answer["errors"][0]["message"])
print(json.dumps(answer["data"]))
`}function S(e,t){let n=e=>`"${e.replaceAll(`#(`,`#(#)(`).replaceAll(`"`,`""`).replaceAll(`\r`,``).replaceAll(`
`,`#(lf)`).replaceAll(`	`,`#(tab)`)}"`,r=e=>e==null?`null`:Array.isArray(e)?`{${e.map(r).join(`, `)}}`:typeof e==`string`?n(e):typeof e==`object`?`[${Object.entries(e).map(([e,t])=>`#${n(e)} = ${r(t)}`).join(`, `)}]`:String(e),i=e.keyed?`, Authorization = "Bearer " & ${d}`:``;return`${e.keyed?`// ${d} is a parameter of the workbook that holds the key.\n`:``}let
    Query = ${n(e.query)},
    Answer = Json.Document(
        Web.Contents(${n(e.origin)}, [
            RelativePath = "graphql",
            Headers = [#"Content-Type" = "application/json", Accept = "application/json"${i}],
            Content = Json.FromValue([query = Query, variables = ${r(t)}])
        ])
    ),
    Data = if Record.HasFields(Answer, "errors") then error Answer[errors]{0}[message] else Answer[data]
in
    Data
`}function C(e,t,n){let r=new URLSearchParams;for(let[e,t]of Object.entries(n))if(typeof t!=`object`||!t)t!==null&&r.append(e,String(t));else if(Array.isArray(t))for(let n of t)r.append(e,String(n));else for(let[e,n]of w(t))r.append(e,n);let i=String(r);return`${e}/tables/${t}.csv${i?`?${i}`:``}`}function w({frame:e,dates:t,between:n}){if(e)return[[`period`,String(e).toLowerCase()]];if(t){let e=new Date(Date.parse(`${t.to}T00:00Z`)+864e5);return[[`since`,t.from],...Number.isNaN(e.getTime())?[]:[[`until`,e.toISOString().slice(0,10)]]]}return n?[[`since`,n.from],[`until`,n.until]]:[]}var T=n();function E({query:e,variables:t,operationName:n,saved:i,keyed:d,onClose:p}){let m=(0,u.useRef)(null),h=(0,u.useId)(),[g,_]=(0,u.useState)(`curl`),[v,y]=(0,u.useState)(``);(0,u.useEffect)(()=>{m.current?.showModal()},[]);let b=c(e),x=b&&l(b,n),S=o({query:e,variables:t},i,a),C=f({query:e,variables:t,keyed:d,origin:a,subscribes:x?.operation===`subscription`,operationName:x?.name?.value,table:r(e,i)?.table}),w=C.find(e=>e.tool===g)??C[0];function E(e,t){s(e,void 0,m.current??void 0).then(()=>y(`${t} is copied.`),e=>y(e.message))}let D=S.length.toLocaleString(`en`);return(0,T.jsxs)(`dialog`,{ref:m,className:`share`,"aria-labelledby":h,onClose:p,children:[(0,T.jsxs)(`div`,{className:`dialog-head`,children:[(0,T.jsx)(`h2`,{id:h,children:`Share`}),(0,T.jsx)(`button`,{type:`button`,className:`tool`,"aria-label":`Close`,onClick:p,children:`×`})]}),(0,T.jsxs)(`div`,{className:`dialog-body`,children:[(0,T.jsx)(`label`,{htmlFor:`${h}-link`,children:`A link that opens this query with its variables, and does not run it`}),(0,T.jsxs)(`div`,{className:`line`,children:[(0,T.jsx)(`input`,{id:`${h}-link`,readOnly:!0,value:S,onFocus:e=>e.target.select()}),(0,T.jsx)(`button`,{type:`button`,onClick:()=>E(S,`The link`),children:`Copy link`})]}),S.length>2e3&&(0,T.jsx)(`p`,{className:`note`,children:S.length>16e3?`This link has ${D} characters, which is too long for the server: save the query, or send its text.`:`This link has ${D} characters. Some mail and chat programs cut links after 2,000.`}),(0,T.jsx)(`label`,{htmlFor:`${h}-tool`,children:`The query as a program`}),(0,T.jsxs)(`div`,{className:`line`,children:[(0,T.jsx)(`select`,{id:`${h}-tool`,value:w?.tool,onChange:e=>_(e.target.value),children:C.map(e=>(0,T.jsx)(`option`,{children:e.tool},e.tool))}),(0,T.jsx)(`button`,{type:`button`,onClick:()=>w&&E(w.text,w.tool),children:`Copy`})]}),(0,T.jsx)(`pre`,{tabIndex:0,"aria-label":`The query for ${w?.tool}`,children:(0,T.jsx)(`code`,{children:w?.text})}),(0,T.jsx)(`p`,{role:`status`,children:v}),(0,T.jsxs)(`p`,{className:`note`,children:[`Neither the link nor the programs have a key or other headers.`,d&&` The programs read the key from the variable GAMEHUB_GRAPH_KEY.`]})]})]})}export{E as default};