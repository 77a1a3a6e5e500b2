import{r as e}from"./rolldown-runtime-XKyaHtl9.js";import{n as t,t as n}from"./jsx-runtime-C3cWAN_r.js";import{t as r}from"./clipboard-CBb5CDyi.js";import{n as i,t as a}from"./operation-4na5ov78.js";import{C as o,O as s,S as c}from"./index-Br_HvrEE.js";var l=e(t(),1),u=`GAMEHUB_GRAPH_KEY`;function d(e){let t=s(e.variables)??{};return e.subscribes?[{tool:`curl`,text:m(e,t)}]:[{tool:`curl`,text:m(e,t)},{tool:`fetch`,text:_(e,t)},{tool:`Apollo Client`,text:v(e,t)},{tool:`urql`,text:y(e,t)},{tool:`Python`,text:b(e,t)},{tool:`Power Query`,text:x(e,t)},...e.table===void 0?[]:[{tool:`Table (CSV)`,text:S(e.origin,e.table,t)}]]}var f=e=>Object.keys(e).length>0;function p({query:e},t){return JSON.stringify({query:e,...f(t)?{variables:t}:{}})}function m(e,t){let n=e=>`'${e.replaceAll(`'`,`'\\''`)}'`;return[`curl ${e.subscribes?`--no-buffer`:`--compressed`} --silent --show-error ${n(`${e.origin}/graphql`)}`,`--header ${n(`Content-Type: application/json`)}`,...e.subscribes?[`--header ${n(`Accept: text/event-stream`)}`]:[],...e.keyed?[`--header "Authorization: Bearer $${u}"`]:[],`--data-binary ${n(p(e,t))}`].join(` \\
  `)}var h=e=>`\`${e.replaceAll(`\\`,`\\\\`).replaceAll("`","\\`").replaceAll("${","\\${")}\``,g=(e,t)=>JSON.stringify(e,null,2).replaceAll(`
`,`\n${t}`);function _(e,t){let n=e.keyed?`, authorization: \`Bearer \${process.env.${u}}\``:``;return`const query = ${h(e.query)};
const variables = ${g(t,``)};

const response = await fetch(${JSON.stringify(`${e.origin}/graphql`)}, {
  method: "POST",
  headers: { "content-type": "application/json", accept: "application/json"${n} },
  body: JSON.stringify({ query, variables }),
});
const { data, errors } = await response.json();
if (errors) throw new Error(errors[0].message);
console.log(JSON.stringify(data));
`}function v(e,t){let n=e.keyed?`, headers: { authorization: \`Bearer \${process.env.${u}}\` }`:``;return`import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";

const client = new ApolloClient({
  link: new HttpLink({ uri: ${JSON.stringify(`${e.origin}/graphql`)}${n} }),
  cache: new InMemoryCache(),
});

const query = gql${h(e.query)};

const { data } = await client.query({ query, variables: ${g(t,``)} });
console.log(JSON.stringify(data));
`}function y(e,t){let n=e.keyed?`\n  fetchOptions: { headers: { authorization: \`Bearer \${process.env.${u}}\` } },`:``;return`import { Client, fetchExchange, gql } from "@urql/core";

const client = new Client({
  url: ${JSON.stringify(`${e.origin}/graphql`)},
  preferGetMethod: false,
  exchanges: [fetchExchange],${n}
});

const query = gql${h(e.query)};

const { data, error } = await client.query(query, ${g(t,``)});
if (error) throw error;
console.log(JSON.stringify(data));
`}function b(e,t){let n=(e,t=``)=>e==null?`None`:typeof e==`boolean`?e?`True`:`False`:Array.isArray(e)?`[${e.map(e=>n(e,t)).join(`, `)}]`:typeof e==`object`?`{${Object.entries(e).map(([e,r])=>`${JSON.stringify(e)}: ${n(r,t)}`).join(`, `)}}`:JSON.stringify(e),r=!e.query.includes(`\\`)&&!e.query.includes(`"""`)&&!e.query.endsWith(`"`)?`"""\\\n${e.query}"""`:JSON.stringify(e.query),i=e.keyed?`\n    headers={"Authorization": "Bearer " + os.environ["${u}"]},`:``;return`import json
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
`}function x(e,t){let n=e=>`"${e.replaceAll(`#(`,`#(#)(`).replaceAll(`"`,`""`).replaceAll(`\r`,``).replaceAll(`
`,`#(lf)`).replaceAll(`	`,`#(tab)`)}"`,r=e=>e==null?`null`:Array.isArray(e)?`{${e.map(r).join(`, `)}}`:typeof e==`string`?n(e):typeof e==`object`?`[${Object.entries(e).map(([e,t])=>`#${n(e)} = ${r(t)}`).join(`, `)}]`:String(e),i=e.keyed?`, Authorization = "Bearer " & ${u}`:``;return`${e.keyed?`// ${u} is a parameter of the workbook that holds the key.\n`:``}let
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
`}function S(e,t,n){let r=new URLSearchParams;for(let[e,t]of Object.entries(n))if(typeof t!=`object`||!t)t!==null&&r.append(e,String(t));else if(Array.isArray(t))for(let n of t)r.append(e,String(n));else for(let[e,n]of C(t))r.append(e,n);let i=String(r);return`${e}/tables/${t}.csv${i?`?${i}`:``}`}function C({frame:e,dates:t,between:n}){if(e)return[[`period`,String(e).toLowerCase()]];if(t){let e=new Date(Date.parse(`${t.to}T00:00Z`)+864e5);return[[`since`,t.from],...Number.isNaN(e.getTime())?[]:[[`until`,e.toISOString().slice(0,10)]]]}return n?[[`since`,n.from],[`until`,n.until]]:[]}var w=n();function T({query:e,variables:t,operationName:n,saved:s,keyed:u,onClose:f}){let p=(0,l.useRef)(null),m=(0,l.useId)(),[h,g]=(0,l.useState)(`curl`),[_,v]=(0,l.useState)(``);(0,l.useEffect)(()=>{p.current?.showModal()},[]);let y=i(e),b=y&&a(y,n),x=c({query:e,variables:t},s,location.origin),S=d({query:e,variables:t,keyed:u,origin:location.origin,subscribes:b?.operation===`subscription`,operationName:b?.name?.value,table:o(e,s)?.table}),C=S.find(e=>e.tool===h)??S[0];function T(e,t){r(e,void 0,p.current??void 0).then(()=>v(`${t} is copied.`),e=>v(e.message))}let E=x.length.toLocaleString(`en`);return(0,w.jsxs)(`dialog`,{ref:p,className:`share`,"aria-labelledby":m,onClose:f,children:[(0,w.jsxs)(`div`,{className:`dialog-head`,children:[(0,w.jsx)(`h2`,{id:m,children:`Share`}),(0,w.jsx)(`button`,{type:`button`,className:`tool`,"aria-label":`Close`,onClick:f,children:`×`})]}),(0,w.jsxs)(`div`,{className:`dialog-body`,children:[(0,w.jsx)(`label`,{htmlFor:`${m}-link`,children:`A link that opens this query with its variables, and does not run it`}),(0,w.jsxs)(`div`,{className:`line`,children:[(0,w.jsx)(`input`,{id:`${m}-link`,readOnly:!0,value:x,onFocus:e=>e.target.select()}),(0,w.jsx)(`button`,{type:`button`,onClick:()=>T(x,`The link`),children:`Copy link`})]}),x.length>2e3&&(0,w.jsx)(`p`,{className:`note`,children:x.length>16e3?`This link has ${E} characters, which is too long for the server: save the query, or send its text.`:`This link has ${E} characters. Some mail and chat programs cut links after 2,000.`}),(0,w.jsx)(`label`,{htmlFor:`${m}-tool`,children:`The query as a program`}),(0,w.jsxs)(`div`,{className:`line`,children:[(0,w.jsx)(`select`,{id:`${m}-tool`,value:C?.tool,onChange:e=>g(e.target.value),children:S.map(e=>(0,w.jsx)(`option`,{children:e.tool},e.tool))}),(0,w.jsx)(`button`,{type:`button`,onClick:()=>C&&T(C.text,C.tool),children:`Copy`})]}),(0,w.jsx)(`pre`,{tabIndex:0,"aria-label":`The query for ${C?.tool}`,children:(0,w.jsx)(`code`,{children:C?.text})}),(0,w.jsx)(`p`,{role:`status`,children:_}),(0,w.jsxs)(`p`,{className:`note`,children:[`Neither the link nor the programs have a key or other headers.`,u&&` The programs read the key from the variable GAMEHUB_GRAPH_KEY.`]})]})]})}export{T as default};