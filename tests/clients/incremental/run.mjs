// Ask for a user with deferred transactions, once with each client. Print what a client shows, one line for each state.
import { createRequire } from 'node:module'
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client'
import { Defer20220824Handler, GraphQL17Alpha9Handler } from '@apollo/client/incremental'
import { Client, fetchExchange } from '@urql/core'
import { meros } from 'meros/browser'

const relay = createRequire(import.meta.url)('relay-runtime')
const [uri, id] = process.argv.slice(2)
const text = `query Person($id: ID!) {
  user(id: $id) { __typename id username ...Moves @defer(label: "Person$defer$Moves") }
}
fragment Moves on User { transactions(during: { dates: { from: "2026-03-10", to: "2026-03-10" } }) { __typename totalCount } }`

async function apollo(incrementalHandler) {
  const client = new ApolloClient({ link: new HttpLink({ uri }), cache: new InMemoryCache(), incrementalHandler })
  const states = []
  await new Promise((resolve, reject) => {
    client.watchQuery({ query: gql(text), variables: { id } }).subscribe({
      next: ({ data, dataState, error }) => {
        if (error) reject(error)
        if (data) states.push(data)
        if (dataState === 'complete') resolve()
      },
      error: reject,
    })
  })
  return states
}

async function urql() {
  const client = new Client({ url: uri, exchanges: [fetchExchange], preferGetMethod: false })
  const states = []
  await new Promise((resolve, reject) => {
    client.query(text, { id }).subscribe(({ data, error, hasNext }) => {
      if (error) reject(error)
      states.push(structuredClone(data))
      if (!hasNext) resolve()
    })
  })
  return states
}

// relay-compiler writes these nodes from the same document.
const variable = [{ kind: 'Variable', name: 'id', variableName: 'id' }]
const definitions = [{ defaultValue: null, kind: 'LocalArgument', name: 'id' }]
const scalar = (name) => ({ alias: null, args: null, kind: 'ScalarField', name, storageKey: null })
const moves = {
  alias: null, args: [{ kind: 'Literal', name: 'during', value: { dates: { from: '2026-03-10', to: '2026-03-10' } } }],
  concreteType: 'TransactionConnection', kind: 'LinkedField', name: 'transactions', plural: false,
  selections: [scalar('totalCount')], storageKey: 'transactions(during:{"dates":{"from":"2026-03-10","to":"2026-03-10"}})',
}
const user = (deferred) => ({
  alias: null, args: variable, concreteType: 'User', kind: 'LinkedField', name: 'user', plural: false,
  selections: [scalar('id'), scalar('username'), deferred], storageKey: null,
})
const fragment = {
  argumentDefinitions: [], kind: 'Fragment', metadata: null, name: 'Moves', selections: [moves], type: 'User',
  abstractKey: null,
}
const person = {
  fragment: {
    argumentDefinitions: definitions, kind: 'Fragment', metadata: null, name: 'Person', type: 'Query', abstractKey: null,
    selections: [user({ kind: 'Defer', selections: [{ args: null, kind: 'FragmentSpread', name: 'Moves' }] })],
  },
  kind: 'Request',
  operation: {
    argumentDefinitions: definitions, kind: 'Operation', name: 'Person',
    selections: [user({ if: null, kind: 'Defer', label: 'Person$defer$Moves', selections: [moves] })],
  },
  params: { cacheID: 'Person', id: null, metadata: {}, name: 'Person', operationKind: 'query', text },
}

// docs/how-to/incremental-delivery.md shows this function.
function fetchGraphQL(request, variables) {
  return relay.Observable.create((sink) => {
    const cancel = new AbortController()
    const receive = ({ data, errors, hasNext = false, incremental = [] }) => {
      if (data !== undefined) sink.next({ data, errors, extensions: { is_final: !hasNext && !incremental.length } })
      incremental.forEach((part, number) => {
        const last = !hasNext && number === incremental.length - 1
        sink.next({ ...part, extensions: { is_final: last } })
      })
    }
    async function run() {
      const response = await fetch(uri, {
        method: 'POST',
        headers: {
          Accept: 'multipart/mixed;deferSpec=20220824, application/json',
          'Content-Type': 'application/json',
        },
        body: JSON.stringify({ query: request.text, variables }),
        signal: cancel.signal,
      })
      const parts = await meros(response)
      if (parts instanceof Response) receive(await parts.json())
      else for await (const part of parts) receive(part.body)
    }
    run().then(() => sink.complete(), (error) => sink.error(error))
    return () => cancel.abort()
  })
}

async function relayRuntime() {
  const environment = new relay.Environment({
    network: relay.Network.create(fetchGraphQL),
    store: new relay.Store(new relay.RecordSource()),
  })
  const operation = relay.createOperationDescriptor(person, { id })
  const states = []
  await new Promise((resolve, reject) => {
    environment.execute({ operation }).subscribe({
      next: () => {
        const { user } = environment.lookup(operation.fragment).data
        const selector = relay.getSingularSelector(fragment, user)
        const { data, isMissingData } = environment.lookup(selector)
        const { id, username } = user
        states.push({ user: { id, username, ...(isMissingData ? {} : data) } })
      },
      complete: resolve,
      error: reject,
    })
  })
  return states
}

const clients = {
  'Apollo Client, incrementalSpec=v0.2': () => apollo(new GraphQL17Alpha9Handler()),
  'Apollo Client, deferSpec=20220824': () => apollo(new Defer20220824Handler()),
  urql: urql,
  Relay: relayRuntime,
}
for (const [client, run] of Object.entries(clients)) {
  console.log(JSON.stringify({ client, states: await run() }))
}
process.exit()
