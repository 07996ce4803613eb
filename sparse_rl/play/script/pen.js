/* Draws on a canvas in a world's coordinates, y upwards, as sharp as the screen allows. */
class Pen {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  /* Cleared; what is so wide and so high around (x, y) fills the canvas. */
  view(x, y, across, up) {
    const { canvas, context } = this;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    const scale = Math.min(width / across, height / up);
    context.setTransform(scale, 0, 0, -scale, width / 2 - x * scale, height / 2 + y * scale);
    context.lineCap = "round";
    context.lineJoin = "round";
  }

  line(points, width, colour) {
    const { context } = this;
    context.beginPath();
    points.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
    this.stroke(width, colour);
  }

  arc(x, y, radius, from, to, width, colour) {
    this.context.beginPath();
    this.context.arc(x, y, radius, from, to, to < from);
    this.stroke(width, colour);
  }

  ring(x, y, radius, width, colour) {
    this.arc(x, y, radius, 0, 2 * Math.PI, width, colour);
  }

  disc(x, y, radius, colour) {
    this.context.beginPath();
    this.context.arc(x, y, radius, 0, 2 * Math.PI);
    this.context.fillStyle = colour;
    this.context.fill();
  }

  /* (x, y) is the lower left corner. */
  box(x, y, width, height, round, colour) {
    const { context } = this;
    const r = Math.min(round, width / 2, height / 2);
    context.beginPath();
    context.moveTo(x + r, y);
    context.arcTo(x + width, y, x + width, y + height, r);
    context.arcTo(x + width, y + height, x, y + height, r);
    context.arcTo(x, y + height, x, y, r);
    context.arcTo(x, y, x + width, y, r);
    context.closePath();
    context.fillStyle = colour;
    context.fill();
  }

  stroke(width, colour) {
    this.context.lineWidth = width;
    this.context.strokeStyle = colour;
    this.context.stroke();
  }
}

/* The page's colours as they are now, light or dark. */
function pageColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "faint", "grid", "shade", "paper", "blue", "orange"];
  const colours = names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]);
  return { ...Object.fromEntries(colours), rod: style.getPropertyValue("--vermillion").trim() };
}
