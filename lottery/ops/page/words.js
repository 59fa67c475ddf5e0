// All texts of the page, in each language it speaks, and figures and times as they are written there.

const ENGLISH = {
  title: "Lottery central", skip: "Skip to the agencies", draw: "Draw", draws: "Draws", bets: "Bets",
  rate: "Bets/s", places: "Places taken", ended: "Ended", leftOut: "Left out",
  winningNumber: "Winning number", ledger: "Ledger", diskFree: "Disk space left",
  lastMinutes: "The last minutes", throughput: "Bets stored per second",
  latency: "Time until a batch is acknowledged", agencies: "Agencies", search: "Search",
  state: "State", agenciesCaption: "The agencies of the draw", writers: "Writers",
  writersCaption: "The processes that store bets", drawsCaption: "The draws and their results",
  betsPerNumber: "Bets per number", winnersPerAgency: "Winners of each agency",
  topNumbers: "Numbers with the most bets",
  promise: "The number will be made of a secret, of all bets and of random bytes of the agencies. This is the SHA-256 of the secret, published before the first bet:",
  connected: "live", lost: "no connection",
  lostSince: (time) => `No connection to the central since ${time}. Trying again; what is shown is old.`,
  back: "The connection to the central is back.",
  stepOf: (draw, state) => `Draw ${draw}: ${state}`,
  others: (list) => `Besides: ${list}.`,
  diskLow: (free, kept) => `Little disk space is left: ${free}. At ${kept} the central takes no more bets until there is room.`,
  toBeDrawn: "to be drawn", fixedNumber: (number) => `${number} (fixed)`,
  nowAndMost: (now, most) => `now ${now}, highest ${most}`,
  halfAndMost: (half, most) => `half within ${half}, 99 of 100 within ${most}`,
  nothingYet: "nothing yet", median: "median",
  anyState: "any", shown: (some, all) => some === all ? `${all} agencies` : `${some} of ${all} agencies`,
  tooMany: (most) => ` The first ${most} are shown; search to see others.`,
  noAgencies: "No agency has come yet.", noneFound: "No agency is like that.",
  noWriters: "None runs: there is one as soon as a bet comes.",
  ago: (seconds) => seconds < 1.5 ? "now" : seconds < 120 ? `${Math.round(seconds)} s ago` : `${Math.round(seconds / 60)} min ago`,
  columns: { id: "Agency", name: "Name", dialect: "Dialect", state: "State", bets: "Bets", rate: "Bets/s", acked: "Last acknowledged", winners: "Winners", why: "Why" },
  writerColumns: { pid: "Process", draw: "Draw", sessions: "Sessions", queue: "Queue", flush: "Last flush" },
  drawColumns: { draw: "Draw", state: "State", agencies: "Agencies", bets: "Bets", winning_number: "Number", winners: "Winners", files: "To keep" },
  partColumns: { agency: "Agency", bets: "Bets", winners: "Winners", outcome: "What came of it", documents: "Documents" },
  topColumns: { number: "Number", bets: "Bets" },
  states: { expected: "not come yet", sending: "sending", away: "away", ended: "all sent", left_out: "left out", received: "has its winners", unreceived: "winners not received" },
  steps: { open: "open", closing: "closing", sealed: "sealed", drawn: "drawn", delivered: "delivered", void: "void: nobody ended", unreadable: "cannot be read" },
  resultOf: (draw) => `Result of draw ${draw}`, show: (draw) => `Show draw ${draw}`,
  summary: (won, winners, bets) => `Number ${won} has won: ${winners} of ${bets} bets.`,
  notDrawn: (state) => `It is not drawn: ${state}.`,
  record: "record", winnersFile: "winners", noDocuments: "Documents of winners are not shown here.",
  moreParts: (count) => `and ${count} more, which the record has`,
  counting: "The bets are being counted.", noNumbers: "There is nothing to count.",
  numbersNote: (most, bets) => `Each bar is for 100 numbers, from 0 to 9999; most bets are on ${most}: ${bets}.`,
  bar: (first, last, bets) => `${first} to ${last}: ${bets} bets`,
  commitment: "SHA-256 of the secret, published before the first bet", secret: "The secret", sha256: "SHA-256 of bets.csv",
  received: "has its winners", notReceived: "winners not received", succeeded: "takes part",
  moreDraws: "The latest are shown.", noDraws: "There is no draw yet.",
  about: (version, since, connections) => `Version ${version}, running since ${since}, ${connections} connections.`,
  why: [],
};

const SPANISH = {
  title: "Central de lotería", skip: "Ir a las agencias", draw: "Sorteo", draws: "Sorteos", bets: "Apuestas",
  rate: "Apuestas/s", places: "Plazas ocupadas", ended: "Terminaron", leftOut: "Excluidas",
  winningNumber: "Número ganador", ledger: "Libro", diskFree: "Espacio en disco",
  lastMinutes: "Los últimos minutos", throughput: "Apuestas guardadas por segundo",
  latency: "Tiempo hasta la confirmación de un lote", agencies: "Agencias", search: "Buscar",
  state: "Estado", agenciesCaption: "Las agencias del sorteo", writers: "Escritores",
  writersCaption: "Los procesos que guardan apuestas", drawsCaption: "Los sorteos y sus resultados",
  betsPerNumber: "Apuestas por número", winnersPerAgency: "Ganadores de cada agencia",
  topNumbers: "Números con más apuestas",
  promise: "El número saldrá de un secreto, de todas las apuestas y de bytes al azar de las agencias. Este es el SHA-256 del secreto, publicado antes de la primera apuesta:",
  connected: "en vivo", lost: "sin conexión",
  lostSince: (time) => `Sin conexión con la central desde las ${time}. Se vuelve a intentar; lo que se ve es viejo.`,
  back: "Volvió la conexión con la central.",
  stepOf: (draw, state) => `Sorteo ${draw}: ${state}`,
  others: (list) => `Además: ${list}.`,
  diskLow: (free, kept) => `Queda poco espacio en disco: ${free}. Con ${kept} la central no toma más apuestas hasta que haya lugar.`,
  toBeDrawn: "por sortear", fixedNumber: (number) => `${number} (fijo)`,
  nowAndMost: (now, most) => `ahora ${now}, máximo ${most}`,
  halfAndMost: (half, most) => `la mitad en ${half}, 99 de 100 en ${most}`,
  nothingYet: "nada todavía", median: "mediana",
  anyState: "todos", shown: (some, all) => some === all ? `${all} agencias` : `${some} de ${all} agencias`,
  tooMany: (most) => ` Se ven las primeras ${most}; las otras, buscando.`,
  noAgencies: "Todavía no vino ninguna agencia.", noneFound: "Ninguna agencia es así.",
  noWriters: "No corre ninguno: habrá uno en cuanto llegue una apuesta.",
  ago: (seconds) => seconds < 1.5 ? "ahora" : seconds < 120 ? `hace ${Math.round(seconds)} s` : `hace ${Math.round(seconds / 60)} min`,
  columns: { id: "Agencia", name: "Nombre", dialect: "Dialecto", state: "Estado", bets: "Apuestas", rate: "Apuestas/s", acked: "Última confirmación", winners: "Ganadores", why: "Por qué" },
  writerColumns: { pid: "Proceso", draw: "Sorteo", sessions: "Sesiones", queue: "Cola", flush: "Último volcado" },
  drawColumns: { draw: "Sorteo", state: "Estado", agencies: "Agencias", bets: "Apuestas", winning_number: "Número", winners: "Ganadores", files: "Para guardar" },
  partColumns: { agency: "Agencia", bets: "Apuestas", winners: "Ganadores", outcome: "Cómo terminó", documents: "Documentos" },
  topColumns: { number: "Número", bets: "Apuestas" },
  states: { expected: "todavía no vino", sending: "enviando", away: "ausente", ended: "envió todo", left_out: "excluida", received: "tiene sus ganadores", unreceived: "no recibió sus ganadores" },
  steps: { open: "abierto", closing: "cerrando", sealed: "sellado", drawn: "sorteado", delivered: "entregado", void: "nulo: ninguna terminó", unreadable: "no se puede leer" },
  resultOf: (draw) => `Resultado del sorteo ${draw}`, show: (draw) => `Ver el sorteo ${draw}`,
  summary: (won, winners, bets) => `Ganó el número ${won}: ${winners} de ${bets} apuestas.`,
  notDrawn: (state) => `No está sorteado: ${state}.`,
  record: "acta", winnersFile: "ganadores", noDocuments: "Aquí no se muestran documentos de ganadores.",
  moreParts: (count) => `y ${count} más, que están en el acta`,
  counting: "Se están contando las apuestas.", noNumbers: "No hay nada que contar.",
  numbersNote: (most, bets) => `Cada barra es de 100 números, de 0 a 9999; el que más apuestas tiene es el ${most}: ${bets}.`,
  bar: (first, last, bets) => `${first} a ${last}: ${bets} apuestas`,
  commitment: "SHA-256 del secreto, publicado antes de la primera apuesta", secret: "El secreto", sha256: "SHA-256 de bets.csv",
  received: "tiene sus ganadores", notReceived: "no recibió sus ganadores", succeeded: "participa",
  moreDraws: "Se ven los últimos.", noDraws: "Todavía no hay sorteos.",
  about: (version, since, connections) => `Versión ${version}, en marcha desde ${since}, ${connections} conexiones.`,
  // What the central says of an agency, in its own words; numbers stay as they are.
  why: [
    [/^the connection was lost/, "se cortó la conexión"],
    [/^it closed the connection/, "cerró la conexión"],
    [/ in the middle of a frame/, " en medio de una trama"],
    [/, and it did not come back within (\S+) s/, ", y no volvió en $1 s"],
    [/^it had not ended when the deadline of (\S+) s passed/, "no había terminado al vencer el plazo de $1 s"],
    [/^it never came/, "nunca vino"],
    [/^it was silent for too long/, "estuvo callada demasiado tiempo"],
    [/^it took too long for a frame/, "tardó demasiado con una trama"],
    [/^it is not on the roster any more|^agency \d+ is not on the roster any more/, "ya no está en el padrón"],
    [/^agency \d+ has another certificate now/, "ahora tiene otro certificado"],
    [/^nobody of the roster is left for it/, "no queda nadie del padrón para la plaza"],
    [/^it has more than (\d+) bets/, "tiene más de $1 apuestas"],
    [/^there was no room on the disk for too long/, "no hubo lugar en el disco por demasiado tiempo"],
    [/^the central was started again/, "la central se reinició"],
    [/^the draw closed when the central was started again/, "el sorteo cerró al reiniciarse la central"],
    [/^its writer was ended by signal (\d+)/, "su escritor fue terminado por la señal $1"],
    [/^its writer ended with status (\d+) \(\w+\)/, "su escritor terminó con estado $1"],
    [/^(\d+) bets are announced, (\d+) are stored/, "anunció $1 apuestas y hay $2 guardadas"],
    [/^a newer session of agency (\d+) has come/, "vino una sesión más nueva de la agencia $1"],
    [/^the agency is away/, "la agencia está ausente"],
    [/^the central cannot store now/, "la central no puede guardar ahora"],
    [/^row (\d+), first_name .*/, "fila $1: el nombre no es válido"],
    [/^row (\d+), last_name .*/, "fila $1: el apellido no es válido"],
    [/^row (\d+), document .*/, "fila $1: el documento no es válido"],
    [/^row (\d+), birthdate .*/, "fila $1: la fecha de nacimiento no es válida"],
    [/^row (\d+), number .*/, "fila $1: el número no es válido"],
    [/^row (\d+), .*/, "fila $1: no es válida"],
  ],
};

const asked = new URLSearchParams(location.search).get("lang");
const spoken = (asked ? [asked] : navigator.languages ?? []).map((each) => each.toLowerCase());
// Regions write figures in their own way, so the browser's own choice is kept beside the language.
const locale = spoken.find((each) => /^(es|en)(-|$)/.test(each)) ?? "en";

export const words = locale.startsWith("es") ? SPANISH : ENGLISH;

const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0, useGrouping: "always" });
const short = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

export const wholeText = (value) => value === null ? "–" : whole.format(value);
export const timeText = (seconds) => clock.format(seconds * 1000);
export const dayText = (seconds) => day.format(seconds * 1000);

export function bytesText(value) {
  if (value === null) return "–";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return `${short.format(value)} ${units[unit]}`;
}

export function secondsText(value) {
  if (value === null) return "–";
  return value < 1 ? `${short.format(value * 1000)} ms` : `${short.format(value)} s`;
}

export function rateText(value) {
  return value < 10 ? short.format(value) : wholeText(value);
}

/** What the central says of an agency, in the language of the page. */
export function whyText(sentence) {
  return words.why.reduce((text, [pattern, other]) => text.replace(pattern, other), sentence);
}

/** Put the texts into the page. */
export function fillWords() {
  document.documentElement.lang = words === SPANISH ? "es" : "en";
  document.title = words.title;
  for (const place of document.querySelectorAll("[data-word]")) {
    place.textContent = words[place.dataset.word];
  }
}
