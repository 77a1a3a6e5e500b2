/** A field for a value of any input type. */
import {
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isRequiredInputField,
} from "graphql";
import { useId } from "react";

import type { Kind } from "../facts";
import { Combobox } from "./combobox";
import { momentOf, wallOf } from "./moments";
import { isPeriod, type Period, PeriodInput } from "./period";
import type { Surroundings } from "./surroundings";

interface Props {
  label: string;
  type: GraphQLInputType;
  value: unknown;
  around: Surroundings;
  kind?: Kind | undefined;
  description?: string | undefined;
  required?: boolean;
  standard?: string | undefined;
  /** Undefined takes the value away. */
  onChange(value: unknown): void;
}

/** A value with its label and description. */
export function LabelledInput(props: Props) {
  const id = useId();
  const { label, type, description, required } = props;
  const inner = isNonNullType(type) ? type.ofType : type;
  const about = description ? `${id}-about` : undefined;
  const mark = required && (
    <abbr title="required" className="required">
      *
    </abbr>
  );
  const says = description && (
    <small id={about} className="about">
      {description}
    </small>
  );
  if ((isInputObjectType(inner) && !isPeriod(inner)) || isListType(inner)) {
    return (
      <fieldset aria-describedby={about}>
        <legend>
          {label} {mark}
        </legend>
        {says}
        <ValueInput {...props} id={id} type={inner} describedBy={about} />
      </fieldset>
    );
  }
  return (
    <div className="value">
      <label htmlFor={id}>
        {label} {mark} <small>{String(inner)}</small>
      </label>
      <ValueInput {...props} id={id} type={inner} describedBy={about} />
      {says}
    </div>
  );
}

type Field = Props & { id: string; describedBy?: string | undefined };

function ValueInput(props: Field) {
  const { id, type, value, around, kind, required, standard, describedBy, onChange } = props;
  if (isNonNullType(type)) return <ValueInput {...props} type={type.ofType} />;
  if (isListType(type)) return <ListInput {...props} type={type.ofType} />;
  if (isEnumType(type)) {
    return (
      <select
        id={id}
        aria-describedby={describedBy}
        value={typeof value === "string" ? value : ""}
        onChange={(event) => onChange(event.target.value || undefined)}
      >
        <option value="">{standard ? `Not given: ${standard}` : "Not given"}</option>
        {type.getValues().map((each) => (
          <option key={each.name} value={each.name} title={each.description ?? undefined}>
            {each.name}
          </option>
        ))}
      </select>
    );
  }
  if (isInputObjectType(type)) {
    if (isPeriod(type)) {
      return (
        <PeriodInput
          id={id}
          type={type}
          value={value as Period | undefined}
          zone={around.zone}
          standard={standard}
          describedBy={describedBy}
          onChange={onChange}
        />
      );
    }
    const given = (value ?? {}) as Record<string, unknown>;
    const fields = Object.values(type.getFields()).map((field) => (
      <LabelledInput
        key={field.name}
        label={field.name}
        type={field.type}
        value={given[field.name]}
        around={around}
        kind={around.facts.names[type.name]?.[field.name] ?? (type.name === "IdFilter" ? kind : undefined)}
        description={field.description ?? undefined}
        required={isRequiredInputField(field)}
        onChange={(inner) => {
          const { [field.name]: _, ...rest } = given;
          const next = inner === undefined ? rest : { ...given, [field.name]: inner };
          onChange(Object.keys(next).length ? next : undefined);
        }}
      />
    ));
    return (
      <details open={value !== undefined}>
        <summary>{Object.keys(given).length ? Object.keys(given).join(", ") : "no condition"}</summary>
        {fields}
      </details>
    );
  }
  if (type.name === "ID" && kind) {
    return (
      <Combobox
        id={id}
        kind={kind}
        value={value === undefined || value === null ? "" : String(value)}
        choices={around.choices}
        required={required ?? false}
        describedBy={describedBy}
        onChange={(chosen) => onChange(chosen || undefined)}
      />
    );
  }
  if (type.name === "Boolean") {
    return (
      <input
        id={id}
        type="checkbox"
        checked={value === true}
        aria-describedby={describedBy}
        onChange={(event) => onChange(event.target.checked)}
      />
    );
  }
  const number = type.name === "Int" || type.name === "Float";
  const moment = type.name === "DateTime";
  const text = value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  return (
    <input
      id={id}
      type={number ? "number" : type.name === "Date" ? "date" : moment ? "datetime-local" : "text"}
      inputMode={type.name === "Decimal" ? "decimal" : undefined}
      step={type.name === "Float" ? "any" : undefined}
      placeholder={standard ? `Not given: ${standard}` : undefined}
      aria-describedby={describedBy}
      aria-required={required || undefined}
      value={moment ? wallOf(text, around.zone) : text}
      onChange={({ target }) => {
        if (target.value === "") onChange(undefined);
        else onChange(number ? Number(target.value) : moment ? momentOf(target.value, around.zone) : target.value);
      }}
    />
  );
}

function ListInput(props: Field) {
  const { label, type, value, around, kind, onChange } = props;
  const given = Array.isArray(value) ? (value as unknown[]) : value === undefined || value === null ? [] : [value];
  const inner = isNonNullType(type) ? type.ofType : type;
  if (isEnumType(inner)) {
    return (
      <div className="several">
        {inner.getValues().map(({ name, description }) => (
          <label key={name} title={description ?? undefined}>
            <input
              type="checkbox"
              checked={given.includes(name)}
              onChange={(event) => {
                const next = event.target.checked ? [...given, name] : given.filter((each) => each !== name);
                onChange(next.length ? next : undefined);
              }}
            />
            {name}
          </label>
        ))}
      </div>
    );
  }
  const set = (next: unknown[]) => onChange(next.length ? next : undefined);
  return (
    <div className="several">
      {given.map((each, index) => (
        <div className="item" key={index}>
          <LabelledInput
            label={`${label} ${index + 1}`}
            type={inner}
            value={each === "" ? undefined : each}
            around={around}
            kind={kind}
            onChange={(one) => set(given.map((other, place) => (place === index ? (one ?? "") : other)))}
          />
          <button type="button" aria-label={`Remove ${label} ${index + 1}`} onClick={() => set(given.filter((_, place) => place !== index))}>
            ×
          </button>
        </div>
      ))}
      <button type="button" onClick={() => onChange([...given, ""])}>
        Add a value
      </button>
    </div>
  );
}
