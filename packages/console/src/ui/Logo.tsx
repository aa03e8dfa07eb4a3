/** Concert's mark: two arcs around the point they agree on. */

interface Props {
  readonly size?: number;
}

export function Logo({ size = 28 }: Props) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--c-brand)" />
      <g fill="none" stroke="#fff" strokeLinecap="round" strokeWidth="2.4">
        <path d="M22.6 9.4a9.3 9.3 0 1 0 0 13.2" />
        <path d="M19.4 12.6a4.8 4.8 0 1 0 0 6.8" opacity=".62" />
      </g>
      <circle cx="16" cy="16" r="1.9" fill="#f2b84b" />
    </svg>
  );
}
