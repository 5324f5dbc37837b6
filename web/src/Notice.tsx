export function Notice({ error, empty }: { error?: Error; empty?: string }) {
  if (error) return <p role="alert" className="bad">{error.message}</p>;
  return empty ? <p className="quiet">{empty}</p> : null;
}
