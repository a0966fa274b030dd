/**
 * Operations on the line where V8 would say that they failed: one walk in the order of the engine's code knows what the
 * engine would tell (`noting.ts`), and where that is another line it puts a marker, before a name or an expression that
 * begins a line, or around what an operation works on. Pure.
 */
import type { Program, Token } from 'acorn';
import { BODY_CLOSE, BODY_OPEN, MARKER, TURN_MARKER } from '../marker.ts';
import type { Lines } from './lines.ts';
import type { Located } from './located.ts';
import { type Marked, placeOfRisk, TOP_MARKER } from './markers.ts';
import { type Child, Notes } from './noting.ts';
import { type Inserted, isMarkable, slotsOf, statementSlotsOf } from './slots.ts';
import { childrenOf, isFunction, type SyntaxNode } from './tree.ts';

/**
 * The markers inside expressions.
 * @param marked the statements that have a marker in front
 * @param located the places that are told otherwise than where they stand
 */
export function operationsIn(
  program: Program,
  tokens: readonly Token[],
  lines: Lines,
  marked: readonly Marked[],
  located: readonly Located[],
): Inserted[] {
  const notes = new Notes(program, tokens, lines, located);
  new Walk(notes, marked).visit(program);
  return notes.inserted;
}

/** Levels of a program that are looked at: what is nested deeper is data, and this walk has a stack. */
const DEEPEST = 1000;

class Walk {
  readonly #notes: Notes;
  readonly #marked: ReadonlyMap<SyntaxNode, number>;
  #depth = 0;
  #levels = 0;

  constructor(notes: Notes, marked: readonly Marked[]) {
    this.#notes = notes;
    this.#marked = new Map(marked.map(({ statement, to }) => [statement, to]));
  }

  /** Goes through a node as the engine's code does. */
  visit(node: Child): void {
    if (!node || this.#levels === DEEPEST) return;
    this.#levels++;
    this.#visit(node);
    this.#levels--;
  }

  #visit(node: SyntaxNode): void {
    const marked = this.#marked.get(node);
    if (marked !== undefined) this.#notes.line = this.#notes.lineOf(marked);
    switch (node.type) {
      case 'Identifier':
        this.#read(node);
        break;
      case 'ExpressionStatement':
        this.#notes.begins(node);
        if (node.expression.start !== node.start) this.#notes.slot(node.expression);
        this.visit(node.expression);
        break;
      case 'ThrowStatement':
        this.#notes.noted(node);
        this.visit(node.argument);
        break;
      case 'LabeledStatement':
        this.visit(node.body);
        break;
      case 'BreakStatement':
      case 'ContinueStatement':
      case 'MetaProperty':
        break;
      case 'VariableDeclarator':
        this.#pattern(node.id);
        this.#notes.slot(node.init);
        this.visit(node.init);
        break;
      case 'CatchClause':
        this.#pattern(node.param);
        this.visit(node.body);
        break;
      case 'ForStatement':
        this.visit(node.init);
        this.#slots(node, [node.test, node.body, node.update]);
        break;
      case 'ForInStatement':
      case 'ForOfStatement':
        this.#turns(node);
        break;
      case 'ClassDeclaration':
      case 'ClassExpression':
        this.#class(node);
        break;
      default:
        if (isFunction(node)) this.#function(node);
        else this.#expression(node);
    }
  }

  #expression(node: SyntaxNode): void {
    switch (node.type) {
      case 'BinaryExpression':
        this.visit(node.left);
        this.#notes.noted(node);
        this.visit(node.right);
        if (!isText(node)) this.#notes.works(node.right, this.#notes.placeOf(node));
        return;
      case 'LogicalExpression':
        this.visit(node.left);
        if (isMarkable(node.right)) this.#notes.operand(node.right, placeOfRisk(node.right));
        this.visit(node.right);
        return;
      case 'UnaryExpression':
        this.#unary(node);
        return;
      case 'UpdateExpression':
        this.#target(node.argument);
        return;
      case 'AssignmentExpression':
        this.#assignment(node);
        return;
      case 'MemberExpression':
        this.#target(node);
        if (node.optional || node.object.type === 'Super') return;
        // What stands before `?.` in a chain must stay in it.
        if (node.computed || !isShort(node.object))
          this.#notes.works(node.computed ? node.property : node.object, this.#notes.placeOf(node));
        return;
      case 'CallExpression':
        if (node.callee.type !== 'Identifier' || node.callee.name !== 'eval') this.visit(node.callee);
        this.#notes.noted(node);
        this.#slots(node, node.arguments);
        this.#notes.works(node.arguments.at(-1), this.#notes.placeOf(node));
        return;
      case 'NewExpression':
        this.#notes.noted(node);
        if (node.callee.type !== 'Identifier') this.visit(node.callee);
        this.#slots(node, node.arguments);
        this.#notes.works(node.arguments.at(-1) ?? node.callee, node.start);
        return;
      case 'TaggedTemplateExpression':
        this.visit(node.tag);
        this.#notes.noted(node);
        this.#slots(node.quasi, node.quasi.expressions);
        this.#notes.works(node.quasi.expressions.at(-1), node.quasi.start);
        return;
      case 'TemplateLiteral': {
        this.#slots(node, node.expressions);
        // All are made into texts at the end.
        const [only, ...others] = node.expressions;
        if (only && others.length === 0) this.#notes.works(only, this.#notes.placeOf(only));
        return;
      }
      case 'ArrayExpression':
        for (const element of node.elements) {
          this.#slots(node, [element]);
          if (element?.type === 'SpreadElement')
            this.#notes.works(element, this.#notes.placeOf(element.argument));
        }
        return;
      case 'Property':
        if (!node.shorthand) this.#slots(node, [node.computed ? node.key : undefined, node.value]);
        return;
      default:
        this.#slots(node, inSource(node));
    }
  }

  #unary({ operator, argument, start }: SyntaxNode & { type: 'UnaryExpression' }): void {
    if (operator === 'typeof' && argument.type === 'Identifier') return;
    if (operator === 'delete') {
      this.#target(argument.type === 'ChainExpression' ? argument.expression : argument);
      return;
    }
    this.visit(argument);
    if (/^[-+~]$/.test(operator) && !isText(argument)) this.#notes.works(argument, start);
  }

  #assignment(node: SyntaxNode & { type: 'AssignmentExpression' }): void {
    const { left, right, operator } = node;
    this.#pattern(left);
    this.#notes.slot(right);
    this.visit(right);
    const names = left.type === 'Identifier' && /^(Function|ArrowFunction|Class)Expression$/.test(right.type);
    if (operator === '=' && !names && !left.type.endsWith('Pattern'))
      this.#notes.works(right, this.#notes.operatorOf(right));
  }

  /** What is read to find a property, without the property itself. */
  #target(node: SyntaxNode): void {
    if (node.type !== 'MemberExpression') {
      if (node.type !== 'Identifier') this.visit(node);
      return;
    }
    if (node.object.type !== 'Super') this.visit(node.object);
    if (node.computed) this.#slots(node, [node.property]);
  }

  #pattern(node: Child): void {
    if (!node) return;
    switch (node.type) {
      case 'ObjectPattern':
        for (const property of node.properties) {
          if (property.type === 'Property') {
            if (property.computed) this.#slots(property, [property.key]);
            this.#pattern(property.value);
          } else this.#pattern(property.argument);
        }
        return;
      case 'ArrayPattern':
        for (const element of node.elements) this.#pattern(element);
        return;
      case 'AssignmentPattern':
        this.#pattern(node.left);
        this.#slots(node, [node.right]);
        return;
      case 'RestElement':
        this.#pattern(node.argument);
        return;
      default:
        this.#target(node);
    }
  }

  #function(node: SyntaxNode & { params: SyntaxNode[]; body: SyntaxNode }): void {
    this.#apart(this.#notes.firstLineOf(node), () => {
      for (const param of node.params) this.#pattern(param);
      this.#slots(node, [node.body]);
    });
  }

  /** Code of its own, whose first line is the one that is told when it has noted nothing. */
  #apart(line: number, visit: () => void): void {
    const before = this.#notes.line;
    this.#notes.line = line;
    this.#depth++;
    visit();
    this.#depth--;
    this.#notes.line = before;
  }

  #class({ superClass, body }: SyntaxNode & { type: 'ClassDeclaration' | 'ClassExpression' }): void {
    this.visit(superClass);
    for (const member of body.body) {
      if (member.type === 'StaticBlock') {
        this.#apart(0, () => this.#slots(member, member.body));
        continue;
      }
      if (member.computed) this.#slots(member, [member.key]);
      const { value } = member;
      if (member.type === 'PropertyDefinition') this.#apart(0, () => this.#slots(member, [value]));
      else this.visit(value);
    }
  }

  /** The next element is asked for behind the body, but told where it goes. */
  #turns(node: SyntaxNode & { type: 'ForInStatement' | 'ForOfStatement' }): void {
    const { left, right, body } = node;
    const target = left.type === 'VariableDeclaration' ? left.declarations[0]!.id : left;
    this.#pattern(target);
    this.#slots(node, [right, body]);
    if (node.type === 'ForInStatement' || this.#notes.line === this.#notes.lineOf(target.start)) return;
    this.#notes.line = this.#notes.lineOf(target.start);
    const inside = this.#depth > 0;
    if (body.type === 'BlockStatement') {
      this.#notes.insert(body.end - 1, inside ? TURN_MARKER : `;${TOP_MARKER}`, target.start);
    } else {
      this.#notes.insert(body.start, BODY_OPEN, body.start, Infinity);
      this.#notes.insert(
        body.end,
        inside ? BODY_CLOSE : BODY_CLOSE.replace(MARKER, TOP_MARKER),
        target.start,
        body.start,
      );
    }
  }

  /** Visits children of a node, with markers before those that may have them. */
  #slots(node: SyntaxNode, children: readonly Child[]): void {
    const slots: readonly Child[] = [
      ...slotsOf(node, false),
      ...statementSlotsOf(node, node).map(([slot]) => slot),
    ];
    for (const child of children) {
      if (slots.includes(child)) this.#notes.slot(child);
      this.visit(child);
    }
  }

  #read(node: SyntaxNode & { type: 'Identifier' }): void {
    if (!['undefined', 'NaN', 'Infinity', 'arguments'].includes(node.name))
      this.#notes.operand(node, node.start);
  }
}

/** Children in the order of the source. */
const inSource = (node: SyntaxNode): SyntaxNode[] => [...childrenOf(node)].sort((a, b) => a.start - b.start);

/** Whether a chain with `?.` may end at a node. */
function isShort(node: SyntaxNode): boolean {
  if (node.type === 'MemberExpression') return node.optional || isShort(node.object);
  return node.type === 'CallExpression' && (node.optional || isShort(node.callee));
}

/** Texts and numbers put together: that cannot fail. */
function isText(node: SyntaxNode): boolean {
  if (node.type === 'BinaryExpression')
    return node.operator === '+' && isText(node.left) && isText(node.right);
  return node.type === 'Literal' && /^(string|number|boolean)$/.test(typeof node.value);
}
